package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// anyQueue stands for all queues of a topic at once.
const anyQueue = -1

// QueryAssignment tells a consumer from which queues to receive: an ordered group from each, any
// other, and one of lite topics, from the topic as a whole. Every consumer of a group is told the same.
func (s *service) QueryAssignment(
	ctx context.Context, req *v2.QueryAssignmentRequest,
) (*v2.QueryAssignmentResponse, error) {
	assignments, err := s.assign(ctx, req)
	return &v2.QueryAssignmentResponse{Status: statusOf(err), Assignments: assignments}, nil
}

func (s *service) assign(ctx context.Context, req *v2.QueryAssignmentRequest) ([]*v2.Assignment, error) {
	if _, err := s.admit(ctx, req); err != nil {
		return nil, err
	}
	if err := checkTopicAndGroup(req.GetTopic(), req.GetGroup()); err != nil {
		return nil, err
	}
	t, err := s.findTopic(req.GetTopic())
	if err != nil {
		return nil, err
	}
	if !t.Permission.readable() {
		return nil, errNoReadableQueue()
	}
	// An unknown group is no error here, and is not made either.
	if g, ok := s.store.lookUpGroup(req.GetGroup().GetName()); !ok || !g.Ordered || g.isLite() {
		return []*v2.Assignment{{MessageQueue: s.messageQueue(req.GetTopic(), t, anyQueue)}}, nil
	}
	assignments := make([]*v2.Assignment, len(t.logs))
	for id := range assignments {
		assignments[id] = &v2.Assignment{MessageQueue: s.messageQueue(req.GetTopic(), t, int32(id))}
	}
	return assignments, nil
}

func errNoReadableQueue() error { return refuse(v2.Code_FORBIDDEN, "no readable queue") }
