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

// patient is a connection that repeats a call for which the server was too busy, with growing pauses until
// the call's deadline: what a server does on a slow machine is not what a row is about. What a proxy has
// waited for in vain may have been done all the same. A row that counts can fail over it, as it would have
// over the answer.
type patient struct{ grpc.ClientConnInterface }

// Invoke implements [grpc.ClientConnInterface].
func (p patient) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := p.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
		if err != nil || !tooBusy(reply) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // the row sees what the server said last
		case <-time.After(pause):
		}
	}
}

// tooBusy tells whether the server says so to the request or to an entry of it. To acknowledge the other
// entries once more does no harm.
func tooBusy(reply any) bool {
	if resp, ok := reply.(interface{ GetStatus() *v2.Status }); ok && isBusy(resp.GetStatus()) {
		return true
	}
	if resp, ok := reply.(*v2.AckMessageResponse); ok {
		for _, entry := range resp.GetEntries() {
			if isBusy(entry.GetStatus()) {
				return true
			}
		}
	}
	return false
}

// busyWords are in the message of each status by which a broker throttles. Some come with the code of
// an error within.
const busyWords = "broker busy"

func isBusy(s *v2.Status) bool {
	switch s.GetCode() {
	case v2.Code_TOO_MANY_REQUESTS, v2.Code_PROXY_TIMEOUT:
		return true
	}
	return strings.Contains(s.GetMessage(), busyWords)
}
