package sources

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// DefaultReadSize is the most values of one read of a [Memory] source, unless [Memory.ReadSize]
// says otherwise.
const DefaultReadSize = 256

// ErrNotHeld is why an outcome could not be taken: the record's lease has ended, or it was settled
// before. The record may have been delivered again.
var ErrNotHeld = errors.New("sources: record is not held: its lease has ended, or it was settled before")

// Memory is a source of values in memory, made by [Values], [Slice], [Channel] or [Seq].
//
// As it is made it hands out each value once, and each run of a pipeline begins anew; only a
// channel goes on. Its methods, called before the first run, make it behave like a broker:
// [Memory.Keyed] orders, [Memory.Redeliver] and [Memory.WithLease] deliver again, and
// [Memory.Outcomes] tells what became of each value. Time is that of package time, so in a bubble
// of testing/synctest hours of redelivery pass at once.
//
// A source that redelivers or records is like a queue on a server: it may be open once at a time,
// and a later run goes on with what is not done.
type Memory[T any] struct {
	name      string
	feed      func(skip int) feed[T] // begins after the first skip values
	key       func(T) string
	eventTime func(T) time.Time
	partition func(T) string
	size      int
	recorded  bool
	rules     redelivery
	queue     queue[T] // used if recorded
}

var (
	_ stage.Source[int]     = (*Memory[int])(nil)
	_ stage.SourceDescriber = (*Memory[int])(nil)
)

func newMemory[T any](name string, open func(skip int) feed[T]) *Memory[T] {
	m := &Memory[T]{name: name, feed: open, size: DefaultReadSize}
	m.queue.init()
	return m
}

// Values gives the values, in order.
func Values[T any](values ...T) *Memory[T] {
	m := Slice(values)
	m.name = "values"
	return m
}

// Slice gives the values of the slice, in order. It reads the slice where it is, so the values must
// not be changed while a pipeline runs.
func Slice[T any](values []T) *Memory[T] {
	return newMemory("slice", func(skip int) feed[T] { return &sliceFeed[T]{values[skip:]} })
}

// Channel gives what is received from c until c is closed. A value that was received is part of
// the run: when the run ends before it is done, it is gone, unless the source redelivers.
func Channel[T any](c <-chan T) *Memory[T] {
	return newMemory("channel", func(int) feed[T] { return &channelFeed[T]{c} })
}

// Seq gives what the iterator yields. Each run iterates anew. The iterator is called within Read,
// which cannot be interrupted there: one that waits for something belongs behind a [Channel].
func Seq[T any](seq iter.Seq[T]) *Memory[T] {
	return newMemory("seq", func(skip int) feed[T] { return newSeqFeed(seq, skip) })
}

// Keyed makes the source order by key: after a failure of a key nothing of that key is handed out
// until what is out of it has been settled, and then the failed value comes first. A value whose
// key is "" is not ordered. Without [Memory.Redeliver] the failed value does not come again, and
// what the pipeline had to hand back behind it does not either: the run returns an error.
func (m *Memory[T]) Keyed(key func(T) string) *Memory[T] {
	m.key = key
	return m
}

// EventTime tells when what a value speaks of happened. By default that is not known.
func (m *Memory[T]) EventTime(at func(T) time.Time) *Memory[T] {
	m.eventTime = at
	return m
}

// Partition tells which part of the source a value is from, as the queues of a topic are parts of it.
// By default there is one.
func (m *Memory[T]) Partition(of func(T) string) *Memory[T] {
	m.partition = of
	return m
}

// ReadSize sets the most values of one read. The default is [DefaultReadSize]; less than 1 means 1.
func (m *Memory[T]) ReadSize(n int) *Memory[T] {
	m.size = max(1, n)
	return m
}

// Redeliver makes a failed value come again: after backoff(n) when its nth attempt has failed, at
// once if backoff is nil. After maxAttempts failures it is given up, which [Memory.Outcomes] shows;
// below 1 there is no bound. A value handed back comes again at once, and its attempt does not
// count. The source keeps every value that it has read.
func (m *Memory[T]) Redeliver(maxAttempts int, backoff func(attempt int) time.Duration) *Memory[T] {
	m.recorded = true
	m.rules.redeliver, m.rules.maxAttempts, m.rules.backoff = true, maxAttempts, backoff
	return m
}

// WithLease bounds how long a value may be held: after d it may be delivered again, as another
// attempt, and a later outcome of the first delivery is refused with [ErrNotHeld]. It implies
// Redeliver without a bound, unless Redeliver says otherwise. Below 1 there is no lease.
//
// The end of a lease takes effect at the next Read. At the end of the input Read reports io.EOF
// while values are out, so there a value comes again when its late outcome has been refused.
func (m *Memory[T]) WithLease(d time.Duration) *Memory[T] {
	m.recorded, m.rules.redeliver = true, true
	m.rules.lease = max(0, d)
	return m
}

// Recorded makes the source remember the outcomes of its values for [Memory.Outcomes], as
// Redeliver and WithLease do too. It keeps every value that it has read.
func (m *Memory[T]) Recorded() *Memory[T] {
	m.recorded = true
	return m
}

// Outcome is what became of one value of a [Memory] source.
type Outcome[T any] struct {
	Value T
	// Done says that all that came of the value is safe.
	Done bool
	// Err is the last failure; nil if there was none, or the value was done after it.
	Err error
	// Attempts counts deliveries, without those that were handed back, which HandedBack counts.
	Attempts   int
	HandedBack int
}

// Outcomes tells what became of each value that was read, in the order of reading. It is nil
// unless the source redelivers or is [Memory.Recorded]. It may be called at any time.
func (m *Memory[T]) Outcomes() []Outcome[T] {
	if !m.recorded {
		return nil
	}
	return m.queue.outcomes()
}

// SourceTraits names the source and tells what its options make of it.
func (m *Memory[T]) SourceTraits() stage.SourceTraits {
	return stage.SourceTraits{
		Name:       m.name,
		Keyed:      m.key != nil,
		Lease:      m.rules.lease,
		Immediate:  true,
		Redelivers: m.rules.redeliver, Redelivery: m.rules.longest(),
		Partitioned: m.partition != nil,
	}
}

// Open gives a reader. It fails if the source redelivers or records and is open already.
func (m *Memory[T]) Open(context.Context) (stage.Reader[T], error) {
	if !m.recorded {
		return &memoryReader[T]{src: m, feed: m.feed(0)}, nil
	}
	read, wake, err := m.queue.acquire(m.rules, m.key != nil)
	if err != nil {
		return nil, err
	}
	return &queueReader[T]{src: m, queue: &m.queue, wake: wake, feed: m.feed(read)}, nil
}

// info is what is known of the value that was read as the number'th, from 1.
func (m *Memory[T]) info(v T, number int) stage.Info {
	info := stage.Info{ID: strconv.Itoa(number)}
	if m.key != nil {
		info.Key = m.key(v)
	}
	if m.eventTime != nil {
		info.EventTime = m.eventTime(v)
	}
	if m.partition != nil {
		info.Partition = m.partition(v)
	}
	return info
}

// memoryReader hands out each value once.
type memoryReader[T any] struct {
	src  *Memory[T]
	feed feed[T]
	read int // values so far
}

// Read gives what the feed has, and waits only for a channel.
func (r *memoryReader[T]) Read(ctx context.Context) (stage.Batch[T], error) {
	if err := ctx.Err(); err != nil {
		return stage.Batch[T]{}, err
	}
	values, err := r.feed.next(ctx, r.src.size)
	if err != nil {
		return stage.Batch[T]{}, err
	}
	first := r.read + 1
	r.read += len(values)
	return stage.Batch[T]{Values: values, Info: r.infos(values, first)}, nil
}

// infos tells about values by index. Those of a keyed source are asked for with each record, and
// so are worked out here, once.
func (r *memoryReader[T]) infos(values []T, first int) func(int) stage.Info {
	if r.src.key == nil {
		return func(i int) stage.Info { return r.src.info(values[i], first+i) }
	}
	infos := make([]stage.Info, len(values))
	for i, v := range values {
		infos[i] = r.src.info(v, first+i)
	}
	return func(i int) stage.Info { return infos[i] }
}

// Close ends the feed.
func (r *memoryReader[T]) Close(context.Context) error {
	r.feed.stop()
	return nil
}
