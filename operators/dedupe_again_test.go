package operators_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/flowtest"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/state"
)

// uncounted is an input that does not tell attempts.
type uncounted struct{ *flowtest.Input[string] }

func (u uncounted) Open(ctx context.Context) (stage.Reader[string], error) {
	r, err := u.Input.Open(ctx)
	return uncountedReader{r}, err
}

type uncountedReader struct{ stage.Reader[string] }

func (r uncountedReader) Read(ctx context.Context) (stage.Batch[string], error) {
	b, err := r.Reader.Read(ctx)
	if told := b.Info; told != nil {
		b.Info = func(i int) stage.Info {
			info := told(i)
			info.Attempt = 0
			return info
		}
	}
	return b, err
}

// halfPutOff gives a pipeline that puts off a1 in one branch, while another takes a minute for each.
func halfPutOff(in flow.Stream[string], out, slow *flowtest.Output[string]) (*flow.Pipeline, []flowtest.Option) {
	buried := flowtest.NewOutput[flow.Failure]().Named("buried")
	again := flow.DeadLetter(retries{buried, func() bool { return true }})
	branches := in.Dedupe(first, state.NewMemory(), "seen", 0).Broadcast(2)
	return flow.Join(
		branches[0].Map(func(v string) string { return v }).OnError(again).To(out),
		branches[1].To(slow),
	), []flowtest.Option{flowtest.Fail("map", errTest).On("a1"), flowtest.Delay("slow", time.Minute)}
}

// What was put off by one branch comes again while another is still at work. It is no duplicate: nothing else
// stands for it. Its attempts tell nothing of those of the first, which count redeliveries of their own.
func TestDedupe_LosesNothingThatComesAgainBeforeTheFirstIsSettled(t *testing.T) {
	for _, row := range []struct {
		name         string
		first, again int // attempts; 0 is not told
	}{
		{"first attempt", 1, 2},
		{"fifth attempt", 5, 2},
		{"not counted", 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			in := flowtest.NewInput[string]().Redeliver(flowtest.Redelivery{}).
				GiveRecords(flowtest.Record[string]{Value: "a1", Attempt: row.first}).Pause(time.Second).Give("a2")
			topic := flowtest.NewInput[string]().Named("topic").Redeliver(flowtest.Redelivery{}).Pause(10 * time.Second).
				GiveRecords(flowtest.Record[string]{Value: "a3", Attempt: row.again})
			back := flow.From(topic)
			if row.again == 0 {
				back = flow.From(uncounted{topic})
			}
			out, slow := flowtest.NewOutput[string](), flowtest.NewOutput[string]().Named("slow")
			p, faults := halfPutOff(flow.Merge(flow.From(in), back), out, slow)
			res := flowtest.Run(t, p, faults...)
			require.NoError(t, res.Err)
			require.Equal(t, []string{"a3"}, out.Values())
			require.Equal(t, []string{"a1", "a3"}, slow.Values())
			in.RequireAcked(t)
			topic.RequireAcked(t)
			require.Len(t, in.Outcomes()[1].Deliveries, 1, "what comes again stands for another of the id")
			require.Equal(t, flowtest.HandedBack, topic.Outcomes()[0].Deliveries[0].State)
			dedupe, _ := res.Snapshot.Stage("dedupe")
			require.EqualValues(t, 1, dedupe.Counters["duplicates"])
		})
	}
}

// Where nothing is delivered again, nothing is handed back for that.
func TestDedupe_PutsOffTheSecondOfASourceThatNeitherCountsNorRedelivers(t *testing.T) {
	in := flowtest.NewInput("a1", "a2")
	out, slow := flowtest.NewOutput[string](), flowtest.NewOutput[string]().Named("slow")
	p, faults := halfPutOff(flow.From(uncounted{in}), out, slow)
	require.NoError(t, flowtest.Run(t, p, faults...).Err)
	require.Empty(t, out.Values())
	require.Equal(t, []string{"a1"}, slow.Values())
	in.RequireAcked(t)
}
