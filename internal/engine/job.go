package engine

import (
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// job is a batch of values to be written, with their duties.
type job[T any] struct {
	values []T
	duties []stage.Duty
	extras map[int]extra // by index; only for values with a history
	info   func(i int) stage.Info
	begun  time.Time // when the first value came, if the batch has an age
}

// extra is what a value brings along that was tried before, or that is not an ordinary one.
type extra struct {
	tries *tries
	lane  lane            // the key that it holds, since it has passed the gate
	then  func(err error) // told how the value ended; of dead letters, which pass no gate
	again bool            // of those: when it is written, the record is put off and not done
}

// entry is one value of a job on its own.
type entry[T any] struct {
	value T
	duty  stage.Duty
	extra extra
}

func newJob[T any](size int) *job[T] {
	j := &job[T]{values: make([]T, 0, size), duties: make([]stage.Duty, 0, size)}
	j.info = func(i int) stage.Info { return j.duties[i].Info() }
	return j
}

func (j *job[T]) len() int { return len(j.values) }

func (j *job[T]) add(value T, d stage.Duty) {
	j.values = append(j.values, value)
	j.duties = append(j.duties, d)
}

func (j *job[T]) addAll(rs []stage.Record[T]) {
	values, duties := j.values, j.duties
	for i := range rs {
		values = append(values, rs[i].Value)
		duties = append(duties, rs[i].Duty)
	}
	j.values, j.duties = values, duties
}

func (j *job[T]) addEntry(e entry[T]) {
	if x := e.extra; x.tries != nil || x.lane != (lane{}) || x.then != nil {
		j.setExtra(len(j.values), e.extra)
	}
	j.add(e.value, e.duty)
}

func (j *job[T]) at(i int) entry[T] {
	return entry[T]{value: j.values[i], duty: j.duties[i], extra: j.extras[i]}
}

// part gives a job of its own with the values from lo to hi.
func (j *job[T]) part(lo, hi int) *job[T] {
	p := newJob[T](hi - lo)
	for i := lo; i < hi; i++ {
		p.addEntry(j.at(i))
	}
	return p
}

// append moves the values of another job to the end of this one.
func (j *job[T]) append(other *job[T]) {
	for i, x := range other.extras {
		j.setExtra(len(j.values)+i, x)
	}
	j.values = append(j.values, other.values...)
	j.duties = append(j.duties, other.duties...)
}

func (j *job[T]) setExtra(i int, x extra) {
	if j.extras == nil {
		j.extras = make(map[int]extra)
	}
	j.extras[i] = x
}

// reset empties the job, to be filled again. Old duties may stay behind: they keep nothing alive
// that is not used again as well.
func (j *job[T]) reset() {
	clear(j.values)
	clear(j.extras)
	j.values, j.duties = j.values[:0], j.duties[:0]
}

// jobQueue is the edge between a segment and the writers of a sink: bounded, with jobs made
// larger while they wait.
type jobQueue[T any] struct {
	limit int // jobs that may wait before put blocks
	merge int // the size up to which a waiting job is added to; 0 if jobs are not merged

	mu     sync.Mutex
	filled sync.Cond // a job came, or the queue closed
	spare  sync.Cond // a job went, or nothing is to block any more
	jobs   []*job[T]
	open   bool // put may block
	closed bool
}

func newJobQueue[T any](limit, merge int) *jobQueue[T] {
	q := &jobQueue[T]{limit: limit, merge: merge, open: true}
	q.filled.L, q.spare.L = &q.mu, &q.mu
	return q
}

// put queues a job; it waits for room, unless the run stops hard.
func (q *jobQueue[T]) put(j *job[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.open && len(q.jobs) >= q.limit {
		q.spare.Wait()
	}
	if last := len(q.jobs) - 1; last >= 0 && q.jobs[last].len()+j.len() <= q.merge {
		q.jobs[last].append(j)
		return
	}
	q.jobs = append(q.jobs, j)
	q.filled.Signal()
}

// take waits for a job; false when the queue is closed and empty.
func (q *jobQueue[T]) take() (*job[T], bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.jobs) == 0 && !q.closed {
		q.filled.Wait()
	}
	if len(q.jobs) == 0 {
		return nil, false
	}
	j := q.jobs[0]
	q.jobs[0] = nil
	q.jobs = q.jobs[1:]
	q.spare.Signal()
	return j, true
}

// records gives how many values wait to be taken.
func (q *jobQueue[T]) records() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.jobs {
		n += j.len()
	}
	return n
}

// unblock lets every put through from now on.
func (q *jobQueue[T]) unblock() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = false
	q.spare.Broadcast()
}

// close ends the writers, after what is queued.
func (q *jobQueue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Broadcast()
}
