package stage

// Record is a value on its way through a pipeline, with the duty to settle it. It is passed by
// value. A Record made by hand has a duty that settles nothing.
type Record[T any] struct {
	Value T
	Duty
}

// With moves the duty to another value (rule 2).
func (r Record[T]) With[U any](value U) Record[U] {
	return Record[U]{Value: value, Duty: r.Duty}
}
