package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// AckMessage settles deliveries. It says OK also of what is settled already, or has come back
// since: it has no effect then.
func (s *service) AckMessage(ctx context.Context, req *v2.AckMessageRequest) (*v2.AckMessageResponse, error) {
	entries, err := s.ack(ctx, req)
	if err != nil {
		return &v2.AckMessageResponse{Status: statusOf(err)}, nil
	}
	all := make([]*v2.Status, len(entries))
	for i, e := range entries {
		all[i] = e.GetStatus()
	}
	return &v2.AckMessageResponse{Status: statuses(all), Entries: entries}, nil
}

func (s *service) ack(ctx context.Context, req *v2.AckMessageRequest) ([]*v2.AckMessageResultEntry, error) {
	if _, err := s.admit(ctx, req); err != nil {
		return nil, err
	}
	if err := checkTopicAndGroup(req.GetTopic(), req.GetGroup()); err != nil {
		return nil, err
	}
	if len(req.GetEntries()) == 0 {
		return nil, refuse(v2.Code_INTERNAL_SERVER_ERROR, "ack message result is empty")
	}
	entries, ok := newEntries(req), statusOf(nil)
	for i, err := range s.settle(req) {
		entries[i].Status = ok
		if err != nil {
			entries[i].Status = s.store.quirks.status(err)
		}
	}
	return entries, nil
}

// newEntries gives the entries of the answer, in one piece of memory.
func newEntries(req *v2.AckMessageRequest) []*v2.AckMessageResultEntry {
	space := make([]v2.AckMessageResultEntry, len(req.GetEntries()))
	entries := make([]*v2.AckMessageResultEntry, len(space))
	for i, e := range req.GetEntries() {
		entries[i] = &space[i]
		entries[i].MessageId, entries[i].ReceiptHandle = e.GetMessageId(), e.GetReceiptHandle()
	}
	return entries
}

// settle settles what the entries of a request name, and gives an error or nil for each.
func (s *service) settle(req *v2.AckMessageRequest) []error {
	errs := make([]error, len(req.GetEntries()))
	topicName := req.GetTopic().GetName()
	sub, read := s.store.findDelivery(req.GetGroup().GetName(), topicName, req.GetEntries()[0].GetLiteTopic())
	if read {
		sub.mu.Lock()
		defer sub.unlock()
	}
	now := nowMillis()
	for i, e := range req.GetEntries() {
		h, err := s.parseHandle(e.GetReceiptHandle())
		h.lite = e.GetLiteTopic()
		switch {
		case err != nil:
			errs[i] = err
		case read:
			errs[i] = sub.ack(h, now)
		case h.expired(now):
			errs[i] = errExpired()
		case !s.stored(topicName, h):
			errs[i] = errAbnormal("ack failed")
		}
	}
	return errs
}

// ack is called with the lock held. A delivery that the broker extends by itself outlives the time
// in its handle.
func (s *subscription) ack(h handle, now int64) error {
	f, ok := s.inFlight(h)
	if h.expired(now) && (!ok || f.renewing() == nil) {
		return errExpired()
	}
	if ok {
		if !s.losesAck(f, h) {
			f.settle()
			s.counts.Acked++
		}
		return nil
	}
	if !s.known(h) && !s.unnamed(h) {
		return errAbnormal("ack failed")
	}
	return nil
}

// stored tells whether a handle of a group that never read the topic could be of it.
func (s *service) stored(topicName string, h handle) bool {
	t, ok := s.store.lookUp(topicName)
	if !ok || h.queue < 0 || h.queue >= int64(len(t.logs)) {
		return false
	}
	_, end := t.logs[h.queue].bounds()
	return h.offset >= 0 && h.offset < end
}

func errExpired() error {
	return refuse(v2.Code_INVALID_RECEIPT_HANDLE, "receipt handle is expired")
}

func errAbnormal(what string) error {
	return refuse(v2.Code_INTERNAL_SERVER_ERROR, what+": status is abnormal")
}
