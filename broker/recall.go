package broker

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// maxRecall is how far ahead the time in a recall handle may lie: the broker's own limit, of which
// the proxy allows a third for a message.
const maxRecall = 3 * 24 * time.Hour

// A recallHandle names a message that waits for its time.
type recallHandle struct {
	topic, broker string
	at            int64 // Unix milliseconds, -1 if it is no number
	messageID     string
}

// recallHandleOf gives the handle of a message that waits for its time at a broker.
func recallHandleOf(broker string, m *v2.Message) string {
	text := fmt.Sprintf("v1 %s %s %d %s", m.GetTopic().GetName(), broker,
		secondOf(deliveryOf(m))+1, m.GetSystemProperties().GetMessageId())
	return base64.URLEncoding.EncodeToString([]byte(text))
}

func parseRecallHandle(text string) (recallHandle, error) {
	decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	fields := strings.SplitN(string(decoded), " ", 5)
	if err != nil || len(fields) < 5 || fields[0] != "v1" || fields[4] == "" {
		return recallHandle{}, errRecall("recall handle is invalid")
	}
	at, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		at = -1
	}
	return recallHandle{topic: fields[1], broker: fields[2], at: at, messageID: fields[4]}, nil
}

func errRecall(text string) error { return refuse(v2.Code_INTERNAL_SERVER_ERROR, text) }

// RecallMessage takes back a message that waits for its time. OK does not tell whether there was
// one.
func (s *service) RecallMessage(
	ctx context.Context, req *v2.RecallMessageRequest,
) (*v2.RecallMessageResponse, error) {
	id, err := s.recall(ctx, req)
	return &v2.RecallMessageResponse{Status: statusOf(err), MessageId: id}, nil
}

func (s *service) recall(ctx context.Context, req *v2.RecallMessageRequest) (string, error) {
	if _, err := s.admit(ctx, req); err != nil {
		return "", err
	}
	t, err := s.findTopic(req.GetTopic())
	if err != nil {
		return "", err
	}
	if !slices.Contains(t.accepts, v2.MessageType_DELAY) {
		return "", errConflict(t, v2.MessageType_DELAY)
	}
	h, err := parseRecallHandle(req.GetRecallHandle())
	if err != nil {
		return "", err
	}
	if err := s.recallable(h, t.Name); err != nil {
		return "", err
	}
	s.store.delays.remove(h)
	return h.messageID, nil
}

func (s *service) recallable(h recallHandle, topic string) error {
	left := h.at - nowMillis()
	switch {
	case !s.store.recall:
		return errRecall("recall failed, operation is forbidden")
	case h.topic != topic:
		return errRecall("recall failed, topic not match")
	case h.broker != s.store.name:
		return errRecall("recall failed, broker service not available")
	case left <= 0 || left >= maxRecall.Milliseconds():
		return errRecall("recall failed, timestamp invalid")
	}
	return nil
}

// remove takes back what a handle names, be it several messages of one id.
func (d *delays) remove(h recallHandle) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.slots[secondOf(h.at)]
	if !ok {
		return
	}
	var recalled events
	s.waiting = slices.DeleteFunc(s.waiting, func(w waiting) bool {
		named := w.topic.Name == h.topic && w.record.id() == h.messageID
		if named {
			recalled = w.over(recalled)
		}
		return named
	})
	if len(recalled) > 0 {
		d.diary.write(recalled)
	}
}
