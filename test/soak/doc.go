// Package soak runs the client for long against the embedded broker, which cuts connections, freezes,
// refuses what it is asked, and loses answers, and says what of this was wrong:
//
//   - a message that was sent, and not received by a group;
//   - one that was rolled back, and received;
//   - an error that none of the faults explains;
//   - memory that grows, or goroutines that stay.
//
// One run is an hour of a server in ten minutes: the times of the broker are a sixth of what a server
// has.
package soak
