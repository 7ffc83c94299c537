package sim

import (
	"strconv"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
	"github.com/rocketflow-io/rocketflow/sinks"
)

// A retry is a message in the retry topic.
type retry struct {
	src   int
	due   time.Time
	tried bool // a delivery of it was acknowledged, perhaps without an answer
}

// returned notes that a process takes a failure for safe in the retry topic.
func (l *ledger) returned(at randpipe.Place) {
	l.w.note("%s has %x of delivery %d come again", at.Stage, at.ID, at.Delivery)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.failures.Returned(at) {
		l.violatedLocked(Unknown, "%v is to come again, which did not fail", at)
	}
}

// retryStored notes that the broker has a message in the retry topic: of a delivery, with one more retry than
// that had, and with what makes it what it was.
func (l *ledger) retryStored(m *v2.Message) {
	props, sp := m.GetUserProperties(), m.GetSystemProperties()
	it := itemOf(props, "")
	l.w.happened(RetryStored, "delivery %d of input %d", it.Delivery, it.Src)
	l.mu.Lock()
	defer l.mu.Unlock()
	if it.Delivery <= 0 || it.Delivery >= len(l.deliveries) || l.deliveries[it.Delivery].src != it.Src {
		l.violatedLocked(Unknown, "a retry of delivery %d of input %d, which never was", it.Delivery, it.Src)
		return
	}
	d := &l.deliveries[it.Delivery]
	if n := retriesOf(props); n != d.retries+1 || n > l.tries {
		l.violatedLocked(Promise, "delivery %d of input %d has come again %d times, and its retry says %d, of %d at most", it.Delivery, it.Src, d.retries, n, l.tries)
	}
	if id := props[sinks.PropertyMessageID]; id != d.original {
		l.violatedLocked(Promise, "a retry of delivery %d of input %d is said to be of message %q instead of %q", it.Delivery, it.Src, id, d.original)
	}
	d.stored++
	l.inputs[d.src].putOff = true
	if l.retries[sp.GetMessageId()] == nil { // else it was sent again
		l.retries[sp.GetMessageId()] = &retry{src: it.Src, due: sp.GetDeliveryTimestamp().AsTime()}
	}
}

// came notes what a delivery is of.
func (l *ledger) came(n int, m *v2.Message) {
	props, id := m.GetUserProperties(), m.GetSystemProperties().GetMessageId()
	l.mu.Lock()
	defer l.mu.Unlock()
	d := &l.deliveries[n]
	d.retries, d.original = retriesOf(props), id
	if m.GetTopic().GetName() != retryTopic {
		return
	}
	d.original = props[sinks.PropertyMessageID]
	if r := l.retries[id]; r != nil && time.Now().Before(r.due) {
		l.violatedLocked(Promise, "a retry of input %d comes %v before its time", r.src, time.Until(r.due))
	}
}

// restored holds a message that enters the pipeline against what it was when it was first received.
func (l *ledger) restored(n int, m *client.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n <= 0 || n >= len(l.deliveries) {
		return // which passes tells of
	}
	if d := l.deliveries[n]; m.ID != d.original || !isInput(m.Topic) || sinks.Retries(m) != d.retries {
		l.violatedLocked(Promise, "delivery %d of input %d enters as message %s of topic %s, come again %d times, and is %s, come again %d times",
			n, d.src, m.ID, m.Topic, sinks.Retries(m), d.original, d.retries)
	}
}

func retriesOf(properties map[string]string) int {
	n, _ := strconv.Atoi(properties[sinks.PropertyRetries]) // 0 where there is none
	return n
}

// comesAgainLocked tells whether an effect is left to a retry that the broker has.
func (l *ledger) comesAgainLocked(n, pass int, e randpipe.Effect) bool {
	d := l.deliveries[n]
	return d.stored > 0 && l.failures.Returns(d.src, pass, e)
}

// waitsLocked tells whether a retry of an input is in the broker, which none has acknowledged: it stands for
// what came at the same time and is left out.
func (l *ledger) waitsLocked(src int) bool {
	for _, r := range l.retries {
		if r.src == src && !r.tried {
			return true
		}
	}
	return false
}

// waitingLocked gives the inputs of which a retry is still to be acknowledged.
func (l *ledger) waitingLocked() (all []int) {
	for _, r := range l.retries {
		if !r.tried && !l.w.host.buried(r.src) {
			all = append(all, r.src)
		}
	}
	return all
}
