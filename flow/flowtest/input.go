package flowtest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// readSize is how many records one read of an [Input] gives at most, as many as one receive of
// RocketMQ does.
const readSize = 32

// Input is a source for tests, made by [NewInput]. It gives its records in order, waits where the
// test says so, and remembers what became of each.
//
// As it is made it gives each record once: one that fails is not given again, and the run returns an
// error. [Input.Redeliver], [Input.Keyed] and [Input.Lease] make it behave like a topic of RocketMQ.
//
// Its methods are called before a run, or between two: an Input may be in one at a time. A later run goes on with what was not read and, if the input
// redelivers, with what is not over.
type Input[T any] struct {
	name  string
	key   func(T) string
	keyed bool
	again *Redelivery // nil if nothing comes again
	lease time.Duration
	show  func(T) string

	pause   time.Duration // of all steps so far: when the next record arrives
	records []*record[T]

	mu     sync.Mutex // guards what follows, and the records
	opened time.Time
	isOpen bool
	wake   chan struct{}
	out    []*handout[T]
	keys   map[string]*keyState // those with records out
}

var (
	_ stage.Source[int]     = (*Input[int])(nil)
	_ stage.SourceDescriber = (*Input[int])(nil)
)

// Record is a record of an [Input]: a value with what a source knows about it.
type Record[T any] struct {
	Value T
	// ID names the record; by default it is the input's name with the record's index: "input[0]".
	ID string
	// Key orders, if the input is [Input.Keyed].
	Key string
	// EventTime is when what the record tells of happened; by default that is not known.
	EventTime time.Time
	// Partition is the part of the input that the record is from, as the queues of a topic are parts of
	// it; by default there is one.
	Partition string
	// Attempt is how often the record will have been delivered with its first delivery here; 0 is
	// taken for 1.
	Attempt int
	// Undecodable is why the record cannot be decoded: it then goes by the error policy of the source's
	// stage, and no other stage sees it.
	Undecodable error
	// AckLost lets the first acknowledgement get lost, so that the record comes again although all
	// that came of it has been done: the duplicate that at-least-once delivery permits. The input
	// redelivers then.
	AckLost bool
}

// NewInput makes an input that gives the values, in order, and then ends.
func NewInput[T any](values ...T) *Input[T] {
	in := &Input[T]{name: "input"}
	return in.Give(values...)
}

// Give adds values, which arrive at once.
func (in *Input[T]) Give(values ...T) *Input[T] {
	for _, v := range values {
		in.GiveRecords(Record[T]{Value: v})
	}
	return in
}

// GiveRecords adds records, which arrive at once.
func (in *Input[T]) GiveRecords(records ...Record[T]) *Input[T] {
	for _, r := range records {
		if r.AckLost && in.again == nil {
			in.again = &Redelivery{}
		}
		in.records = append(in.records, &record[T]{Record: r, index: len(in.records), arrives: in.pause, state: Unread})
	}
	return in
}

// Pause lets time pass before what is added next arrives, or before the input ends: like a topic on
// which nothing happens for a while. The pipeline goes on meanwhile: batches get old, and what has
// failed comes again.
func (in *Input[T]) Pause(d time.Duration) *Input[T] {
	in.pause += max(0, d)
	return in
}

// Named names the input: its stage, and its records in reports. The default is "input".
func (in *Input[T]) Named(name string) *Input[T] {
	in.name = name
	return in
}

// Keyed makes the input order by key, as a FIFO group of RocketMQ orders by message group: by what the
// function gives, or else by [Record.Key] if it is nil. A record without a key is not ordered. What
// fails comes again, as with [Input.Redeliver].
func (in *Input[T]) Keyed(key func(T) string) *Input[T] {
	in.keyed, in.key = true, key
	if in.again == nil {
		in.again = &Redelivery{}
	}
	return in
}

// Redeliver makes a record that fails come again as RocketMQ does: after the group's backoff for its
// attempt, until it has been delivered as often as the group allows. It is then [DeadLettered]. What
// is handed back without being to blame comes again at once, and its attempt does not count.
func (in *Input[T]) Redeliver(by Redelivery) *Input[T] {
	in.again = &by
	return in
}

// Lease bounds how long a record may be held: after d it is delivered again, as another attempt, and
// an outcome of the first delivery is refused. What fails comes again, as with [Input.Redeliver].
func (in *Input[T]) Lease(d time.Duration) *Input[T] {
	in.lease = max(0, d)
	if in.again == nil {
		in.again = &Redelivery{}
	}
	return in
}

// Shown sets how reports show a value. By default it is shown as by fmt's %+v.
func (in *Input[T]) Shown(by func(T) string) *Input[T] {
	in.show = by
	return in
}

// SourceTraits tells what the input's methods make of it.
func (in *Input[T]) SourceTraits() stage.SourceTraits {
	t := stage.SourceTraits{
		Name: in.name, Keyed: in.keyed, Lease: in.lease, Redelivers: in.again != nil, Immediate: true,
		Partitioned: slices.ContainsFunc(in.records, func(r *record[T]) bool { return r.Partition != "" }),
	}
	if in.again != nil {
		t.Redelivery = in.again.longest() + in.lease
	}
	return t
}

// Open begins a run. It fails if the input is in one already.
func (in *Input[T]) Open(ctx context.Context) (stage.Reader[T], error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.isOpen {
		return nil, fmt.Errorf("flowtest: open input %q: it is in a run already", in.name)
	}
	in.isOpen, in.opened = true, time.Now()
	in.wake, in.keys, in.out = make(chan struct{}, 1), make(map[string]*keyState), nil
	for _, r := range in.records {
		r.open(in.opened, in.again != nil)
	}
	if s := sessionOf(ctx); s != nil {
		s.join(in)
	}
	return &reader[T]{in}, nil
}

// info gives what is told of a record with a delivery.
func (in *Input[T]) info(r *record[T]) stage.Info {
	at := fmt.Sprintf("%s[%s]", in.name, strconv.Itoa(r.index))
	info := stage.Info{
		ID: r.ID, Key: r.Key, EventTime: r.EventTime, Partition: r.Partition, Position: at,
		Attempt: max(r.Attempt, 1) + r.counted - 1,
	}
	if info.ID == "" {
		info.ID = at
	}
	if in.key != nil {
		info.Key = in.key(r.Value)
	}
	return info
}

// Outcomes tells what became of each record, in the order of the input. It may be called at any time.
func (in *Input[T]) Outcomes() []Outcome[T] {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make([]Outcome[T], len(in.records))
	for i, r := range in.records {
		all[i] = Outcome[T]{
			Value: r.Value, State: r.state, Err: r.err, Stage: r.stage,
			Deliveries: slices.Clone(r.deliveries),
		}
	}
	return all
}

// States tells what became of each record, in a word.
func (in *Input[T]) States() []State {
	var all []State
	for _, o := range in.Outcomes() {
		all = append(all, o.State)
	}
	return all
}
