package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A share is the queues of a topic on one broker, in the row of those on all brokers.
type share struct {
	broker *Broker
	topic  *topic
	first  int // the place of its first queue in the row
}

// SendMessage stores messages of one topic: those of a message group, or for a lite topic, on the
// broker that has its queue, the others on one broker together, the next one each time.
func (p *proxy) SendMessage(ctx context.Context, req *v2.SendMessageRequest) (*v2.SendMessageResponse, error) {
	entries, err := p.send(ctx, req)
	if err != nil {
		return &v2.SendMessageResponse{Status: statusOf(err)}, nil
	}
	all := make([]*v2.Status, len(entries))
	for i, e := range entries {
		all[i] = e.GetStatus()
	}
	return &v2.SendMessageResponse{Status: statuses(all), Entries: entries}, nil
}

// send gives the result of each message, or an error if none is stored.
func (p *proxy) send(ctx context.Context, req *v2.SendMessageRequest) ([]*v2.SendResultEntry, error) {
	row, length, err := p.row(ctx, req)
	if err != nil {
		return nil, err
	}
	messages := req.GetMessages()
	free, stored := int(p.turn.Add(1)%uint32(length)), 0
	entries := make([]*v2.SendResultEntry, 0, len(messages))
	bound := len(messages) == 1 || !row[0].broker.store.quirks[QuirkBatchQueue]
	at := func(m *v2.Message) *share {
		if key := keyOf(m); bound && key != "" {
			return shareOf(row, queueOf(key, length))
		}
		return shareOf(row, free)
	}
	for len(messages) > 0 {
		s, n := at(messages[0]), 1
		for n < len(messages) && at(messages[n]) == s {
			n++
		}
		part, failed := p.sendTo(ctx, s, messages[:n], placement{p.sessions, length, s.first, free - s.first})
		if failed != nil {
			part, err = unsent(messages[:n], failed), failed
		} else {
			stored += n
		}
		entries = append(entries, part...)
		messages = messages[n:]
	}
	if stored == 0 {
		return nil, err
	}
	return entries, nil
}

// row checks the messages, and gives the queues of their topic on all brokers that may be written.
func (p *proxy) row(ctx context.Context, req *v2.SendMessageRequest) (row []*share, length int, err error) {
	for _, b := range p.cluster.listed() {
		t, refused := p.at(b).sendable(ctx, req)
		if refused != nil {
			err = refused
			continue
		}
		row = append(row, &share{b, t, length})
		length += len(t.logs)
	}
	switch {
	case length > 0:
		return row, length, nil
	case err == nil:
		err = refuse(v2.Code_INTERNAL_SERVER_ERROR, "there is no broker")
	}
	return nil, 0, err
}

// shareOf finds the share in which a place of the row is.
func shareOf(row []*share, place int) *share {
	last := row[0]
	for _, s := range row[1:] {
		if s.first > place {
			break
		}
		last = s
	}
	return last
}

// sendTo stores messages on one broker.
func (p *proxy) sendTo(ctx context.Context, s *share, messages []*v2.Message, at placement) ([]*v2.SendResultEntry, error) {
	if err := enter(s.broker); err != nil {
		return nil, err
	}
	return ask(ctx, s.broker, messages, func(ctx context.Context, all []*v2.Message) ([]*v2.SendResultEntry, error) {
		return p.at(s.broker).take(ctx, s.topic, all, at), nil
	})
}

// unsent is the result of messages that are not stored.
func unsent(messages []*v2.Message, err error) []*v2.SendResultEntry {
	entries := make([]*v2.SendResultEntry, len(messages))
	for i, m := range messages {
		entries[i] = &v2.SendResultEntry{Status: statusOf(err), MessageId: m.GetSystemProperties().GetMessageId()}
	}
	return entries
}
