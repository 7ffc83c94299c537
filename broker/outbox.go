package broker

import (
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// maxCommands bounds the commands that wait for a client to read them.
const maxCommands = 8192

// An outbox is what the broker says on one telemetry stream: answers, and commands that others
// give at any time. Who posts never waits for the client to read. What is posted is sent by a
// goroutine that ends when there is no more, so that a stream on which nothing is said has none.
type outbox struct {
	send    func(*v2.TelemetryCommand) error // called by one goroutine at a time
	senders sync.WaitGroup                   // that goroutine; begun under mu, and not after close

	mu      sync.Mutex // guards what follows
	queue   []*v2.TelemetryCommand
	sending bool // a goroutine is about to look at queue
	closed  bool
}

// openOutbox gives an outbox, which ends by close.
func openOutbox(send func(*v2.TelemetryCommand) error) *outbox { return &outbox{send: send} }

// post lets a command be sent. It gives false, and drops the command, if the stream is over or the
// client has not read for too long.
func (o *outbox) post(c *v2.TelemetryCommand) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.queue) >= maxCommands {
		return false
	}
	o.queue = append(o.queue, c)
	if !o.sending {
		o.sending = true
		o.senders.Go(o.run)
	}
	return true
}

// close returns when all that was posted has been sent, or cannot be.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.senders.Wait()
}

func (o *outbox) run() {
	for batch := o.take(); len(batch) > 0; batch = o.take() {
		for _, c := range batch {
			if o.send(c) != nil { // the stream is over, which its reader sees as well
				o.shut()
				return
			}
		}
	}
}

// take gives what is to be sent. If that is nothing, the next post begins another goroutine.
func (o *outbox) take() []*v2.TelemetryCommand {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := o.queue
	o.queue, o.sending = nil, len(batch) > 0
	return batch
}

// shut refuses what is posted from now on.
func (o *outbox) shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.queue = true, nil
}
