package broker

import (
	"sync"
	"time"
)

// A scheduler calls the owners of deadlines when their time has come, from its one goroutine. A
// subscription keeps the deadlines of its many messages itself and has one here, for the earliest.
type scheduler struct {
	mu    sync.Mutex // guards queue; not held while an owner is called
	queue deadlines

	diary *diary        // of the store whose deadlines they are; set before start
	kick  chan struct{} // capacity 1: the earliest deadline has changed
	// What follows is of the present start.
	stop chan struct{} // closed by close
	done chan struct{} // closed when the goroutine has ended
}

func newScheduler() *scheduler {
	return &scheduler{kick: make(chan struct{}, 1)}
}

// start starts the goroutine, which ends by close. What was due before comes first.
func (s *scheduler) start() {
	s.stop, s.done = make(chan struct{}), make(chan struct{})
	go s.run(s.stop, s.done)
}

// close ends the goroutine and waits for it. It is called once for each start.
func (s *scheduler) close() {
	close(s.stop)
	<-s.done
}

// set lets d expire at the given time, in Unix milliseconds, instead of what was set before.
func (s *scheduler) set(d *deadline, at int64) {
	s.mu.Lock()
	s.queue.set(d, at)
	earliest := s.queue[0] == d
	s.mu.Unlock()
	if earliest {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
}

// remove lets d not expire.
func (s *scheduler) remove(d *deadline) {
	s.mu.Lock()
	s.queue.remove(d)
	s.mu.Unlock()
}

func (s *scheduler) run(stop <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(s.expireDue())
		select {
		case <-timer.C:
		case <-s.kick:
		case <-stop:
			return
		}
	}
}

// expireDue calls who is due and tells how long to sleep then.
func (s *scheduler) expireDue() time.Duration {
	for {
		now := time.Now()
		s.mu.Lock()
		d, ok := s.queue.due(now.UnixMilli())
		if !ok {
			defer s.mu.Unlock()
			if len(s.queue) == 0 {
				return time.Hour
			}
			return time.UnixMilli(s.queue[0].at).Sub(now)
		}
		s.mu.Unlock()
		s.expire(d, now.UnixMilli())
	}
}

func (s *scheduler) expire(d *deadline, now int64) {
	s.diary.enter()
	defer s.diary.leave()
	d.owner.expire(now)
}

// nowMillis is the clock of the broker, in Unix milliseconds.
func nowMillis() int64 { return time.Now().UnixMilli() }
