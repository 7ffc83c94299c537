package broker

import (
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// maxCommands bounds the commands that wait for a client to read them.
const maxCommands = 8192

// An outbox is what the broker says on one telemetry stream: answers, and commands that others
// give at any time. Who posts never waits for the client to read.
type outbox struct {
	send func(*v2.TelemetryCommand) error // called by the one goroutine alone
	done chan struct{}                    // closed when the goroutine has ended

	mu     sync.Mutex // guards what follows
	queue  []*v2.TelemetryCommand
	posted *sync.Cond // queue or closed has changed
	closed bool
}

// openOutbox starts the goroutine that sends, which ends by close.
func openOutbox(send func(*v2.TelemetryCommand) error) *outbox {
	o := &outbox{send: send, done: make(chan struct{})}
	o.posted = sync.NewCond(&o.mu)
	go o.run()
	return o
}

// post lets a command be sent. It gives false, and drops the command, if the stream is over or the
// client has not read for too long.
func (o *outbox) post(c *v2.TelemetryCommand) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.queue) >= maxCommands {
		return false
	}
	o.queue = append(o.queue, c)
	o.posted.Signal()
	return true
}

// close returns when all that was posted has been sent, or cannot be.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.posted.Signal()
	o.mu.Unlock()
	<-o.done
}

func (o *outbox) run() {
	defer close(o.done)
	for {
		batch, more := o.take()
		for _, c := range batch {
			if o.send(c) != nil { // the stream is over, which its reader sees as well
				o.shut()
				return
			}
		}
		if !more {
			return
		}
	}
}

// take waits for commands. It gives false with the last of them.
func (o *outbox) take() ([]*v2.TelemetryCommand, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) == 0 && !o.closed {
		o.posted.Wait()
	}
	batch := o.queue
	o.queue = nil
	return batch, !o.closed
}

// shut refuses what is posted from now on.
func (o *outbox) shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.queue = true, nil
}
