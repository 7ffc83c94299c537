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
func (h handle) String() string {
	b := make([]byte, 0, 80)
	for _, n := range [...]int64{h.start, h.popTime, h.invisible, h.revive, int64(h.kind)} {
		b = append(strconv.AppendInt(b, n, 10), ' ')
	}
	b = append(b, h.broker...)
	for _, n := range [...]int64{h.queue, h.offset, h.commit} {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	return string(b)
}

// parseHandle reads a handle. The ninth field may be absent, the name of the broker may be any: what
// it means is for who has several to choose from.
func parseHandle(text string) (handle, error) {
	fields := strings.Split(text, " ")
	if len(fields) < 8 {
		return handle{}, errHandle(text)
	}
	h := handle{commit: -1}
	targets := [...]*int64{
		&h.start, &h.popTime, &h.invisible, &h.revive, (*int64)(&h.kind), nil, &h.queue, &h.offset, &h.commit,
	}
	for i, target := range targets[:min(len(fields), len(targets))] {
		if target == nil {
			h.broker = fields[i]
			continue
		}
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return handle{}, errHandle(text)
		}
		*target = n
	}
	return h, nil
}

// expired tells whether the delivery that the handle speaks of is over by the clock.
func (h handle) expired(now int64) bool { return h.popTime+h.invisible <= now }

func errHandle(text string) error {
	return under(QuirkHandle, refusef(v2.Code_INVALID_RECEIPT_HANDLE, "receipt handle %.100q cannot be read", text))
}
