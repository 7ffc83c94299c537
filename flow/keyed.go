package flow

// Keyed is a stream whose values have a key. It describes, as a Stream does: what is done by key are
// its methods. The key groups values in this pipeline; it is not that of a source which orders by key.
type Keyed[K comparable, T any] struct {
	s   Stream[T]
	key func(T) K
}

// KeyBy gives each value a key, for what follows to go by. Values of one key are dealt with in the
// order of the stream, those of different keys independently of each other.
func (s Stream[T]) KeyBy[K comparable](key func(T) K) Keyed[K, T] { return Keyed[K, T]{s, key} }
