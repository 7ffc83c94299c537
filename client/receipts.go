package client

import (
	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

const unknownOffset = -1

// partialError says that of several messages in one request some were not stored.
type partialError struct {
	failed map[int]error // by index in the request
}

// Error counts the failures; [BatchError] is what users see.
func (e *partialError) Error() string { return "client: not all messages of the request were stored" }

// receipts reads the answer to a request; err is what the answer's own status says. Each message gets
// the id under which it was sent, whatever the answer says: for several messages a server may answer
// with a single entry, whose id nobody will ever see again.
func (s *shipment) receipts(a *v2.SendMessageResponse, x exchange, err error) ([]Receipt, error) {
	entries := a.GetEntries()
	if len(s.items) == 1 && len(entries) > 0 {
		// The status of the entry tells more than that of the answer.
		if entryErr := x.statusError(entries[0].GetStatus()); entryErr != nil && entries[0].GetStatus() != nil {
			return nil, entryErr
		}
	}
	if err != nil {
		return nil, err
	}
	receipts := s.receipt[:]
	if len(s.items) > 1 {
		receipts = make([]Receipt, len(s.items))
	}
	for i, item := range s.items {
		receipts[i] = Receipt{MessageID: item.system.GetMessageId(), Offset: unknownOffset, Endpoint: x.endpoint}
	}
	if len(entries) != len(s.items) {
		if len(entries) == 0 {
			return receipts, nil
		}
		return receipts, s.shared(receipts, entries, x)
	}
	failed := make(map[int]error)
	for i, entry := range entries {
		if entryErr := x.statusError(entry.GetStatus()); entryErr != nil {
			failed[i] = entryErr
			continue
		}
		receipts[i].Offset = entry.GetOffset()
		receipts[i].RecallHandle = entry.GetRecallHandle()
		s.items[i].transaction = entry.GetTransactionId()
	}
	switch {
	case len(failed) == 0:
		return receipts, nil
	case len(s.items) == 1:
		return nil, failed[0]
	default:
		return receipts, &partialError{failed}
	}
}

// shared reads an answer whose entries do not correspond to the messages. It is about all of them, so
// any failure in it is that of all. The offset is that of the first message; that the others follow
// it without a gap is nowhere promised.
func (s *shipment) shared(receipts []Receipt, entries []*v2.SendResultEntry, x exchange) error {
	for _, entry := range entries {
		if err := x.statusError(entry.GetStatus()); err != nil {
			return err
		}
	}
	receipts[0].Offset = entries[0].GetOffset()
	return nil
}
