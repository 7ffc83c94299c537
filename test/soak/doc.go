// Package soak runs the client for long against the embedded broker, while connections are cut, freeze
// and get no answers, and servers refuse what they are asked, and says what of this was wrong:
//
//   - a message that was sent, and not received by a group;
//   - one that was rolled back, and received;
//   - an error that none of the faults explains;
//   - memory that grows, or goroutines that stay.
//
// One run is an hour of a server in ten minutes: the times of the broker are a sixth of what a server
// has.
package soak
