package flow_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// boundless is a source that always has more, in reads of 32 values that weigh as much as it says.
type boundless struct {
	weight int
}

func (e boundless) SourceTraits() stage.SourceTraits { return stage.SourceTraits{Name: "boundless"} }

func (e boundless) Open(context.Context) (stage.Reader[int], error) {
	r := &boundlessReader{boundless: e}
	if e.weight == 0 {
		return r, nil
	}
	return weighingReader{r}, nil
}

type boundlessReader struct {
	boundless
	next int
}

const boundlessRead = 32

func (r *boundlessReader) Read(ctx context.Context) (stage.Batch[int], error) {
	if err := ctx.Err(); err != nil {
		return stage.Batch[int]{}, err
	}
	values := make([]int, boundlessRead)
	for i := range values {
		values[i] = r.next
		r.next++
	}
	return stage.Batch[int]{Values: values}, nil
}

func (r *boundlessReader) Close(context.Context) error { return nil }

type weighingReader struct{ *boundlessReader }

func (r weighingReader) Weigh(int) int { return r.weight }

func (r weighingReader) Stock() stage.Stock {
	return stage.Stock{Records: 7, MaxRecords: 512, Bytes: 7 * r.weight, MaxBytes: 512 * r.weight}
}

// A source without end against a sink that takes nothing: what is in the pipeline stays within its bounds
// on each edge and in all, in records and in bytes, and Snapshot shows both.
func TestBounds_HoldAgainstASlowSink(t *testing.T) {
	const mib = 1 << 20
	for _, weight := range []int{0, 1, mib, 1 << 30} {
		t.Run(fmt.Sprintf("values of %d bytes", weight), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &collector[int]{before: func(ctx context.Context, _ []int) error {
					<-ctx.Done()
					return ctx.Err()
				}}
				aside := &collector[int]{before: out.before}
				same := func(_ context.Context, v int) (int, error) { return v, nil }
				branches := flow.From(boundless{weight: weight}).
					AsyncBy(100, 0, nil).
					ParMap(4, same).
					AsyncBy(64, 1000, func(int) int { return 100 }).
					Broadcast(2)
				p := flow.Join(branches[0].To(out, flow.As("out")), branches[1].Optional(50).To(aside, flow.As("aside")))
				ctx, cancel := context.WithCancel(t.Context())
				ran := make(chan error, 1)
				go func() { ran <- p.Run(ctx) }()
				for range 3 {
					time.Sleep(time.Hour)
					synctest.Wait()
					requireBounded(t, p.Snapshot(), weight)
				}
				cancel()
				time.Sleep(24 * time.Hour)
				require.Error(t, <-ran, "the sink wrote nothing")
			})
		})
	}
}

func requireBounded(t *testing.T, s flow.Snapshot, weight int) {
	t.Helper()
	edges := 0
	for _, st := range s.Stages {
		if e := st.Edge; e != nil {
			edges++
			require.LessOrEqual(t, e.Records, e.MaxRecords, st.Name)
			require.NotZero(t, e.MaxRecords)
			if weight <= 1 && st.Name != "aside" { // which has room for more than its branch; heavy values fill no edge
				require.NotZero(t, e.Records, st.Name)
			}
			require.LessOrEqual(t, e.Bytes, e.MaxBytes, st.Name)
		}
		src := st.Source
		if src == nil {
			continue
		}
		require.NotZero(t, src.InFlight)
		require.Less(t, src.InFlight, src.MaxInFlight+boundlessRead)
		require.Equal(t, weight*src.InFlight, src.Bytes)
		if weight == 0 {
			require.Zero(t, src.MaxBytes)
			require.Nil(t, src.Ahead)
			continue
		}
		require.Less(t, src.Bytes, src.MaxBytes+boundlessRead*weight, "one read goes over")
		require.Equal(t, &flow.EdgeStats{Records: 7, MaxRecords: 512, Bytes: 7 * weight, MaxBytes: 512 * weight}, src.Ahead)
	}
	require.Equal(t, 5, edges, "of Async, of the sinks, and of the optional branch")
}

// A batch that waits for more than the bytes allow gets it: or it would wait for ever.
func TestBounds_GiveABatchWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		batches := 0
		p := flow.From(boundless{weight: 1 << 30}).Batch(1000, 0).Map(func(b []int) int {
			if batches++; batches == 3 {
				cancel()
			}
			return len(b)
		}).To(&collector[int]{})
		require.NoError(t, p.Run(ctx))
		require.GreaterOrEqual(t, batches, 3)
	})
}
