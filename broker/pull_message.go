package broker

import (
	"context"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
)

type pullStream = grpc.ServerStreamingServer[v2.PullMessageResponse]

// PullMessage reads one queue of a topic from an offset on, and waits there for messages if there
// are none. It changes nothing: what is read is neither invisible nor settled, and how far a group
// has come is for it to tell, see UpdateOffset. The answer is a status, the messages, and the offset
// to go on from. A broker without the option Pull does not have this, as the server does not.
func (s *service) PullMessage(req *v2.PullMessageRequest, stream pullStream) error {
	if !s.pulling {
		return s.UnimplementedMessagingServiceServer.PullMessage(req, stream)
	}
	ctx := stream.Context()
	if _, err := s.admit(ctx, req); err != nil {
		return stream.Send(pullStatus(err))
	}
	r, err := s.reading(req)
	if err == nil {
		err = r.read(ctx, s.patience(ctx, req))
	}
	// Lost in a crash, its offsets would be those of other messages.
	if err := s.store.diary.settled(ctx); err != nil {
		return unsettledStatus(err)
	}
	if err := stream.Send(pullStatus(err)); err != nil || r == nil {
		return err
	}
	for _, m := range r.got {
		m.Topic = req.GetMessageQueue().GetTopic()
		if err := stream.Send(&v2.PullMessageResponse{Content: &v2.PullMessageResponse_Message{Message: m}}); err != nil {
			return err
		}
	}
	return stream.Send(&v2.PullMessageResponse{Content: &v2.PullMessageResponse_NextOffset{NextOffset: r.next}})
}

func pullStatus(err error) *v2.PullMessageResponse {
	return &v2.PullMessageResponse{Content: &v2.PullMessageResponse_Status{Status: statusOf(err)}}
}

// patience is how long a pull that finds nothing waits: as long as it asks for, but no longer than a
// receive may, and not beyond its deadline. It does not wait if it does not ask for that.
func (s *service) patience(ctx context.Context, req *v2.PullMessageRequest) time.Duration {
	wait := min(req.GetLongPollingTimeout().AsDuration(), s.limits.MaxPolling)
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	return wait - min(pollEndsEarly, max(wait, 0)/10)
}

// A reading is one PullMessage as it goes along its queue.
type reading struct {
	store  *store
	topic  *topic
	queue  int
	filter filter
	max    int

	next  int64 // all below have been looked at
	taken int   // bytes of the bodies in got
	got   []*v2.Message
}

// reading checks a request. Of one that is at fault in its offset alone it gives the reading too,
// which says where to go on.
func (s *service) reading(req *v2.PullMessageRequest) (*reading, error) {
	t, queue, err := s.pulled(req.GetGroup(), req.GetMessageQueue())
	if err != nil {
		return nil, err
	}
	if req.GetBatchSize() < 1 {
		return nil, refusef(v2.Code_BAD_REQUEST, "the batch size must be positive, but is %d", req.GetBatchSize())
	}
	wanted, err := s.store.quirks.parseFilter(req.GetFilterExpression())
	if err != nil {
		return nil, err
	}
	r := &reading{
		store: s.store, topic: t, queue: queue, filter: wanted,
		max: min(int(req.GetBatchSize()), maxBatch), next: req.GetOffset(),
	}
	first, end := t.logs[queue].bounds()
	if at := min(max(r.next, first), end); at != r.next {
		r.next = at
		return r, refusef(v2.Code_ILLEGAL_OFFSET, "the offset %d is not in the queue, which has those from %d to %d", req.GetOffset(), first, end)
	}
	return r, nil
}

// read takes what there is, and waits for some until the time is over or ctx ends.
func (r *reading) read(ctx context.Context, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		arrival := r.topic.pullers.next() // before the look, so that none is missed
		if r.take(); len(r.got) > 0 {
			return nil
		}
		select {
		case <-arrival:
		case <-timer.C:
			return refuse(v2.Code_MESSAGE_NOT_FOUND, "no new message")
		case <-ctx.Done():
			return refuse(v2.Code_MESSAGE_NOT_FOUND, "no new message")
		}
	}
}

// take reads on to the end of the queue, or until it has enough. What the filter does not match is
// passed over.
func (r *reading) take() {
	l := r.topic.logs[r.queue]
	first, _ := l.bounds()
	r.next = max(r.next, first) // what was dropped while this waited
	for entries := l.from(r.next); len(entries) > 0; entries = l.from(r.next) {
		for i := range entries {
			e := &entries[i]
			if r.filter.matches(e.record) && !r.add(e) {
				return
			}
			r.next++
		}
	}
}

// add takes the message at next. It gives false if there is no more room for it.
func (r *reading) add(e *entry) bool {
	size := len(e.body())
	if len(r.got) == r.max || len(r.got) > 0 && r.taken+size > maxPopBytes {
		return false
	}
	r.taken += size
	r.got = append(r.got, r.store.shown(e, r.queue, r.next, e.attempt+1))
	return true
}

// pullers are the pulls that wait for messages of a topic.
type pullers struct {
	arrival atomic.Pointer[chan struct{}] // closed at the next; nil if nobody waits
}

// next gives a channel that is closed at the next arrival.
func (p *pullers) next() <-chan struct{} {
	for {
		if c := p.arrival.Load(); c != nil {
			return *c
		}
		c := make(chan struct{})
		if p.arrival.CompareAndSwap(nil, &c) {
			return c
		}
	}
}

// waiting tells whether an arrival would be told to anyone.
func (p *pullers) waiting() bool { return p.arrival.Load() != nil }

func (p *pullers) wake() {
	if !p.waiting() {
		return
	}
	if c := p.arrival.Swap(nil); c != nil {
		close(*c)
	}
}
