// Package thirdparty is what an author outside rocketflow would write: an operator of each kind, a
// source and a sink, by the documentation of package stage alone and with its exported names alone. A
// test holds the imports to that. Whatever the built-in operators can do, these can.
//
//   - [Check] is a synchronous operator that holds nothing.
//   - [Debounce] holds records, and is woken by a timer.
//   - [Hedge] is asynchronous: it works on goroutines and emits from them.
//   - [Mailbox] is a source that delivers again what failed.
//   - [Ledger] is a sink that says which values it did not write.
package thirdparty
