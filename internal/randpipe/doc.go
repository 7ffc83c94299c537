// Package randpipe makes random pipelines of which plain evaluation tells what must come of each value.
// The property test of package flow runs them on sources of its own, and the simulation on a broker.
//
// A [Design] is drawn from a seed: chains of operators with error policies, which end in sinks or fan
// out. Each function fails for some values, some of them for ever ([Faults]). What operators do with a
// value depends on nothing but what the value is; so [Design.Effects] knows without an engine which
// values must be in which sinks. Where an operator drops by when values come, such as a debounce, what
// stands around it holds it to that, and tells the test what was dropped. What may excuse an effect that
// is missing is noted in [Failures].
//
// An operator is one entry in the list of kinds.
package randpipe
