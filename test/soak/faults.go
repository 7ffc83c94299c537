package soak

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/rocketflow-io/rocketflow/broker"
)

// faults lets a broker fail now and then. One goroutine has it until the run is over.
type faults struct {
	broker *broker.Broker
	random *rand.Rand

	cuts, freezes, refusals, losses int64
}

func newFaults(b *broker.Broker, seed uint64) *faults {
	return &faults{broker: b, random: rand.New(rand.NewPCG(seed, 1))}
}

// pause is from one fault to the next.
func (f *faults) pause() time.Duration { return time.Second + f.random.N(time.Second) }

// cause causes the nth fault, and returns when it is over.
func (f *faults) cause(ctx context.Context, n int) error {
	switch n % 4 {
	case 0:
		f.cuts++
		f.broker.Cut()
	case 1:
		f.freezes++
		thaw := f.broker.Freeze()
		defer thaw()
		pass(ctx, 200*time.Millisecond+f.random.N(2*time.Second))
	case 2: // as by a server that is busy
		return f.inject(ctx, &f.refusals, 0.25, broker.AnswerGRPC(codes.ResourceExhausted, "busy"))
	default:
		return f.inject(ctx, &f.losses, 0.05, broker.DropResponse())
	}
	return nil
}

// inject hits some of the calls of a second, and counts them.
func (f *faults) inject(ctx context.Context, count *int64, probability float64, do broker.Action) error {
	hit, err := f.broker.Inject(broker.Fault{Probability: probability, Seed: f.random.Uint64(), Do: do})
	if err != nil {
		return err
	}
	pass(ctx, time.Second)
	hit.Remove()
	*count += int64(hit.Hits())
	return nil
}

func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
