package broker_test

import (
	"context"
	"errors"
	"io"
	"slices"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// An advance is how far a user has come with a queue that it reads by offset, in a group of its own.
type advance struct {
	told    int64   // what it has told the broker last, and was answered; -1 for nothing
	perhaps []int64 // what it has told since, without an answer
}

// pull goes on with a queue where the broker says that the user has come to.
func (u *user) pull(ctx context.Context) error {
	queue := u.die.IntN(len(u.pulled))
	at, offset := &u.pulled[queue], int64(0)
	from := &v2.MessageQueue{Topic: resource(crashNormal), Id: int32(queue)}
	where, err := u.stub.GetOffset(ctx, &v2.GetOffsetRequest{Group: resource(u.id), MessageQueue: from})
	switch {
	case err != nil:
		return err
	case where.GetStatus().GetCode() == v2.Code_OK && (where.GetOffset() == at.told || slices.Contains(at.perhaps, where.GetOffset())):
		offset = where.GetOffset()
		*at = advance{told: offset}
	case where.GetStatus().GetCode() != v2.Code_OFFSET_NOT_FOUND || at.told >= 0:
		u.note("user %s has come to %d, or to one of %v, in queue %d, and to %v", u.id, at.told, at.perhaps, queue, where)
	}
	next, err := u.readQueue(ctx, &v2.PullMessageRequest{Group: resource(u.id), MessageQueue: from, Offset: offset, BatchSize: 8})
	if err != nil {
		return err
	}
	at.perhaps = append(at.perhaps, next)
	answer, err := u.stub.UpdateOffset(ctx, &v2.UpdateOffsetRequest{Group: resource(u.id), MessageQueue: from, Offset: next})
	if err != nil {
		return err
	}
	if answer.GetStatus().GetCode() != v2.Code_OK {
		u.note("user %s cannot come to %d in queue %d: %v", u.id, next, queue, answer.GetStatus())
	}
	*at = advance{told: next}
	return nil
}

// readQueue pulls messages, and gives the offset behind them.
func (u *user) readQueue(ctx context.Context, req *v2.PullMessageRequest) (next int64, err error) {
	stream, err := u.stub.PullMessage(ctx, req)
	if err != nil {
		return 0, err
	}
	next = -1
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return next, nil
		}
		if err != nil {
			return 0, err
		}
		if m := frame.GetMessage(); m != nil {
			u.seen(m)
		}
		if _, ok := frame.GetContent().(*v2.PullMessageResponse_NextOffset); ok {
			next = frame.GetNextOffset()
		}
	}
}
