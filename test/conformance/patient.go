package conformance

import (
	"context"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 2 * time.Second
)

// patient is a connection that repeats a call which the server was too busy to look at, with growing
// pauses until the call's deadline: what a server does on a slow machine is not what a row is about.
type patient struct{ grpc.ClientConnInterface }

// Invoke implements [grpc.ClientConnInterface].
func (p patient) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := p.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
		if err != nil || !throttled(reply) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // the row sees what the server said last
		case <-time.After(pause):
		}
	}
}

// throttled tells whether the server says that it has done nothing, since it has too much to do, to the
// request or to an entry of it. To acknowledge the other entries once more does no harm.
func throttled(reply any) bool {
	if resp, ok := reply.(interface{ GetStatus() *v2.Status }); ok && isThrottle(resp.GetStatus()) {
		return true
	}
	if resp, ok := reply.(*v2.AckMessageResponse); ok {
		for _, entry := range resp.GetEntries() {
			if isThrottle(entry.GetStatus()) {
				return true
			}
		}
	}
	return false
}

// busyWords are in the message of each status by which a broker throttles. Some come with the code of
// an error within.
const busyWords = "broker busy"

func isThrottle(s *v2.Status) bool {
	return s.GetCode() == v2.Code_TOO_MANY_REQUESTS || strings.Contains(s.GetMessage(), busyWords)
}
