package flow

// WithSide is what operators that give out more than one stream use.
func WithSide[T any](s Stream[T], p *Pipeline) Stream[T] { return s.withSide("Late", p) }
