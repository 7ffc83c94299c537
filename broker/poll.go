package broker

import (
	"context"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/metadata"
)

// pollEndsEarly is by how much the answer to a poll that found nothing precedes the end of its
// time, so that it arrives before the client's deadline.
const pollEndsEarly = 50 * time.Millisecond

// polling tells for how long to wait: what was asked for within the limits, but not beyond the
// deadline of the call. Who names no time gets the deadline less half a request timeout.
func (s *service) polling(ctx context.Context, req *v2.ReceiveMessageRequest, settings *v2.Settings) (time.Duration, error) {
	deadline, bounded := ctx.Deadline()
	remaining := s.limits.MaxPolling // without a deadline
	if bounded {
		remaining = time.Until(deadline)
	} else if s.store.quirks[QuirkNoDeadline] {
		return 0, refuse(v2.Code_INTERNAL_SERVER_ERROR, "the call has no deadline")
	}
	asked := remaining - settings.GetRequestTimeout().AsDuration()/2
	if req.LongPollingTimeout != nil {
		asked = req.GetLongPollingTimeout().AsDuration()
	}
	asked = min(max(asked, s.limits.MinPolling), s.limits.MaxPolling)
	if asked <= remaining {
		return asked, nil
	}
	if remaining < s.limits.MinPolling {
		return 0, refuse(pollingCode(ctx), "The deadline time remaining is not enough for polling, please check network condition")
	}
	return remaining, nil
}

// pollingCode is what the client's version knows of a deadline that is too short. The server
// compares versions as text.
func pollingCode(ctx context.Context) v2.Code {
	version := metadata.ValueFromIncomingContext(ctx, "x-mq-client-version")
	if len(version) > 0 && version[0] < "5.0.3" {
		return v2.Code_BAD_REQUEST
	}
	return v2.Code_ILLEGAL_POLLING_TIME
}

// poll pops for p, or lets it wait: it gives no waiter if p is answered.
func (s *subscription) poll(p *pull, polling time.Duration) (*waiter, error) {
	w, ok := s.receive(p, time.Now().Add(polling).UnixMilli())
	if !ok {
		return nil, refuse(v2.Code_TOO_MANY_REQUESTS, "polling full")
	}
	return w, nil
}

// wait returns when w has been served, the time is over, or ctx ends.
func (s *subscription) wait(ctx context.Context, w *waiter, polling time.Duration) {
	timer := time.NewTimer(polling - min(pollEndsEarly, polling/10))
	defer timer.Stop()
	select {
	case <-w.served:
	case <-timer.C:
	case <-ctx.Done():
	}
	s.leave(w)
}
