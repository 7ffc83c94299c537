package broker

import (
	"strconv"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// topicKind tells in which topic a handle's queue is: the one that was asked for, or that of its
// redeliveries.
type topicKind int64

const (
	kindTopic topicKind = 0
	kindRetry topicKind = 1
)

const (
	reviveQueues  = 8
	reviveOrdered = 999 // marks the deliveries of ordered groups
)

// A handle is a receipt handle: nine numbers separated by spaces, of which one is a name. Times
// are in milliseconds.
type handle struct {
	start     int64 // first offset of the pop in its queue
	popTime   int64
	invisible int64
	revive    int64
	kind      topicKind
	broker    string // the name of the one that holds the message
	queue     int64
	offset    int64
	commit    int64 // -1 if absent

	lite string // the lite topic, which the text does not tell
}

// String writes the handle as the server does.
func (h handle) String() string { return string(h.append(make([]byte, 0, handleSize))) }

// handleSize is what a handle needs, as a rule.
const handleSize = 96

func (h *handle) append(b []byte) []byte {
	for _, n := range [...]int64{h.start, h.popTime, h.invisible, h.revive, int64(h.kind)} {
		b = append(strconv.AppendInt(b, n, 10), ' ')
	}
	b = append(b, h.broker...)
	for _, n := range [...]int64{h.queue, h.offset, h.commit} {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	return b
}

// parseHandle reads a handle. The ninth field may be absent, the name of the broker may be any: what
// it means is for who has several to choose from.
func parseHandle(text string) (handle, error) {
	h := handle{commit: -1}
	targets := [...]*int64{
		&h.start, &h.popTime, &h.invisible, &h.revive, (*int64)(&h.kind), nil, &h.queue, &h.offset, &h.commit,
	}
	const least = len(targets) - 1
	n := 0
	for field := range strings.SplitSeq(text, " ") {
		if n == len(targets) {
			break
		}
		if err := h.read(targets[n], field); err != nil {
			return handle{}, errHandle(text)
		}
		n++
	}
	if n < least {
		return handle{}, errHandle(text)
	}
	return h, nil
}

// read reads a field: a number, or the name of the broker if there is no number to read.
func (h *handle) read(number *int64, field string) (err error) {
	if number == nil {
		h.broker = field
		return nil
	}
	*number, err = strconv.ParseInt(field, 10, 64)
	return err
}

// expired tells whether the delivery that the handle speaks of is over by the clock.
func (h handle) expired(now int64) bool { return h.popTime+h.invisible <= now }

func errHandle(text string) error {
	return under(QuirkHandle, refusef(v2.Code_INVALID_RECEIPT_HANDLE, "receipt handle %.100q cannot be read", text))
}
