// Package operators has the operators that turn one stream into another: by value (map, filter, flat
// map, tap), several at a time (batch, scan, reduce), in parallel, by count (take, skip) and by time
// (throttle, debounce, sample). Each is a value, a [stage.Operator], that can be used in any number of
// pipelines and tested alone; the methods of flow.Stream are short forms of them. docs/operators.md
// has them on one page. [Timeout], [CircuitBreaker] and [Hedge] go around the functions that they call.
//
// Functions come in two shapes: pure, func(T) R, and, for the Try forms and the parallel ones,
// func(context.Context, T) (R, error). The context of the latter is not cancelled by a drain,
// only by its deadline. An error, or a panic of either shape, goes by the error policy of the
// stage.
//
// In the marble diagrams a letter is a value, x a failure, | the end of the input. "Settles" says
// what becomes of the duty to settle the source's record, by the rules that package stage
// numbers.
package operators
