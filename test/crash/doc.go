// Package crash kills a broker that keeps what it holds in a directory, with SIGKILL and under load,
// starts it again there, many times, and says what of this was wrong:
//
//   - a message that was acknowledged to its producer, and not received by a group;
//   - one that was acknowledged by a group, and received by it again;
//   - one of a message group that comes before one that was sent earlier;
//   - an attempt that counts less than the one before;
//   - a broker that does not start.
//
// Since the system outlives the broker here, and with it all that the broker has written, the tests of
// package broker do the same on files that forget what was not synced.
package crash
