package broker

import (
	"context"
	"sort"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// pullOffsets is how far groups that pull have come, as they have told.
type pullOffsets struct {
	diary *diary // where it is written down; nil if nowhere

	mu sync.Mutex // guards by; a leaf but for the diary's
	by map[pullPosition]int64
}

// A pullPosition is one queue as one group reads it.
type pullPosition struct {
	group string
	topic *topic
	queue int
}

func (o *pullOffsets) set(at pullPosition, offset int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.by[at] = offset
	o.diary.write(at.tell(nil, offset))
}

func (o *pullOffsets) get(at pullPosition) (int64, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	offset, ok := o.by[at]
	return offset, ok
}

// pulled finds the queue that a consumer pulls from, and checks that it may.
func (s *service) pulled(group *v2.Resource, queue *v2.MessageQueue) (*topic, int, error) {
	if err := checkTopicAndGroup(queue.GetTopic(), group); err != nil {
		return nil, 0, err
	}
	g, err := s.findGroup(group, v2.Code_CONSUMER_GROUP_NOT_FOUND)
	if err != nil {
		return nil, 0, err
	}
	if err := g.checkMode(v2.ClientType_PULL_CONSUMER); err != nil {
		return nil, 0, err
	}
	return s.readableQueue(queue)
}

// readableQueue finds a queue that may be read.
func (s *service) readableQueue(queue *v2.MessageQueue) (*topic, int, error) {
	t, err := s.findTopic(queue.GetTopic())
	if err != nil {
		return nil, 0, err
	}
	if !t.Permission.readable() {
		return nil, 0, errNoReadableQueue()
	}
	id := int(queue.GetId())
	if id < 0 || id >= len(t.logs) {
		return nil, 0, refusef(v2.Code_BAD_REQUEST, "the topic %s has the queues 0 to %d, but not %d", t.Name, len(t.logs)-1, id)
	}
	return t, id, nil
}

// UpdateOffset notes how far a group that pulls has come with a queue. It has no effect on what the
// group receives by ReceiveMessage.
func (s *service) UpdateOffset(ctx context.Context, req *v2.UpdateOffsetRequest) (*v2.UpdateOffsetResponse, error) {
	if !s.pulling {
		return s.UnimplementedMessagingServiceServer.UpdateOffset(ctx, req)
	}
	return &v2.UpdateOffsetResponse{Status: statusOf(s.updateOffset(ctx, req))}, nil
}

func (s *service) updateOffset(ctx context.Context, req *v2.UpdateOffsetRequest) error {
	if _, err := s.admit(ctx, req); err != nil {
		return err
	}
	t, queue, err := s.pulled(req.GetGroup(), req.GetMessageQueue())
	if err != nil {
		return err
	}
	if _, end := t.logs[queue].bounds(); req.GetOffset() < 0 || req.GetOffset() > end {
		return refusef(v2.Code_ILLEGAL_OFFSET, "the offset %d is not in the queue, which ends at %d", req.GetOffset(), end)
	}
	s.store.pullOffsets.set(pullPosition{req.GetGroup().GetName(), t, queue}, req.GetOffset())
	return nil
}

// GetOffset tells how far a group that pulls has come with a queue: OFFSET_NOT_FOUND if it has not
// said so yet.
func (s *service) GetOffset(ctx context.Context, req *v2.GetOffsetRequest) (*v2.GetOffsetResponse, error) {
	if !s.pulling {
		return s.UnimplementedMessagingServiceServer.GetOffset(ctx, req)
	}
	offset, err := s.getOffset(ctx, req)
	return &v2.GetOffsetResponse{Status: statusOf(err), Offset: offset}, nil
}

func (s *service) getOffset(ctx context.Context, req *v2.GetOffsetRequest) (int64, error) {
	if _, err := s.admit(ctx, req); err != nil {
		return 0, err
	}
	t, queue, err := s.pulled(req.GetGroup(), req.GetMessageQueue())
	if err != nil {
		return 0, err
	}
	offset, ok := s.store.pullOffsets.get(pullPosition{req.GetGroup().GetName(), t, queue})
	if !ok {
		return 0, refusef(v2.Code_OFFSET_NOT_FOUND, "the group %s has no offset in queue %d of %s", req.GetGroup().GetName(), queue, t.Name)
	}
	return offset, nil
}

// QueryOffset tells where a queue begins, where it ends, or which of its messages is the first that
// was stored at a time or later: the end, if none is.
func (s *service) QueryOffset(ctx context.Context, req *v2.QueryOffsetRequest) (*v2.QueryOffsetResponse, error) {
	if !s.pulling {
		return s.UnimplementedMessagingServiceServer.QueryOffset(ctx, req)
	}
	offset, err := s.queryOffset(ctx, req)
	return &v2.QueryOffsetResponse{Status: statusOf(err), Offset: offset}, nil
}

func (s *service) queryOffset(ctx context.Context, req *v2.QueryOffsetRequest) (int64, error) {
	if _, err := s.admit(ctx, req); err != nil {
		return 0, err
	}
	t, queue, err := s.readableQueue(req.GetMessageQueue())
	if err != nil {
		return 0, err
	}
	first, end := t.logs[queue].bounds()
	switch policy := req.GetQueryOffsetPolicy(); policy {
	case v2.QueryOffsetPolicy_BEGINNING:
		return first, nil
	case v2.QueryOffsetPolicy_END:
		return end, nil
	case v2.QueryOffsetPolicy_TIMESTAMP:
		if req.Timestamp == nil {
			return 0, refuse(v2.Code_BAD_REQUEST, "the query by time names no time")
		}
		return t.logs[queue].since(req.GetTimestamp().AsTime().UnixMilli()), nil
	default:
		return 0, refusef(v2.Code_BAD_REQUEST, "unknown query offset policy: %d", policy)
	}
}

// since gives the offset of the first entry that was stored at a time or later.
func (l *queueLog) since(at int64) int64 {
	first, end := l.bounds()
	return first + int64(sort.Search(int(end-first), func(i int) bool {
		e, kept := l.at(first + int64(i))
		return kept && e.storedAt >= at
	}))
}
