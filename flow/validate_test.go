package flow_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/operators"
	"github.com/rocketflow-io/rocketflow/sources"
)

// here gives the place that it is called from, as errors name it, some lines below.
func here(t *testing.T, below int) string {
	t.Helper()
	_, file, line, ok := runtime.Caller(1)
	require.True(t, ok)
	return fmt.Sprintf("%s:%d", filepath.Base(file), line+below)
}

func TestValidate_NamesBothPlacesThatConsumeAStream(t *testing.T) {
	s := flow.From(sources.Values(1)).Named("numbers")
	first := here(t, 1)
	a := s.Map(func(v int) int { return v }).To(&collector[int]{})
	second := here(t, 1)
	b := s.Filter(func(int) bool { return true }).To(&collector[int]{})
	err := flow.Join(a, b).Validate()
	require.ErrorContains(t, err, `the stream after source "numbers" is consumed twice`)
	require.ErrorContains(t, err, first)
	require.ErrorContains(t, err, second)
	require.Equal(t, err.Error(), flow.Join(a, b).Run(t.Context()).Error())

	renamed := flow.Join(s.To(&collector[int]{}), s.Named("other").To(&collector[int]{}))
	require.ErrorContains(t, renamed.Validate(), "consumed twice", "a name makes no other stream")
}

func TestValidate_ReportsWhatIsWrong(t *testing.T) {
	from := func() flow.Stream[int] { return flow.From(sources.Values(1)) }
	out := func() *collector[int] { return &collector[int]{} }
	both, more := from().Broadcast(2), from().Broadcast(2)
	for want, p := range map[string]*flow.Pipeline{
		"the pipeline has no sink":        flow.Join(),
		"2 of its streams go nowhere":     from().Broadcast(3)[1].To(out()),
		"broadcast to 0 streams":          from().Broadcast(0)[0].To(out()),
		"split into 0 streams":            from().Split(0, mod3)[0].To(out()),
		"says where values go is nil":     from().Split(1, nil)[0].To(out()),
		"1 of its streams go nowhere":     from().Split(2, mod3)[0].To(out()),
		"at most 0 records in the branch": from().Broadcast(2)[0].Optional(0).To(out()),
		"only a branch of a Broadcast":    from().Optional(1).To(out()),
		"each of its streams is Optional": from().Broadcast(1)[0].Named("all").Optional(1).To(out()),
		"the stages there may hold 20": flow.Join(both[0].To(out()),
			both[1].Optional(10).Batch(2, time.Second).To(&collector[[]int]{}, flow.Batched(10, time.Second))),
		"the stages there may hold any number": flow.Join(more[0].To(out()),
			more[1].Optional(10).Reduce(func() int { return 0 }, func(sum, v int) int { return sum + v }).To(out())),
		"merge of no streams":                     flow.Merge[int]().To(out()),
		"the operator is nil":                     from().Via(stage.Operator[int, int](nil)).To(out()),
		"the sink is nil":                         from().To(nil),
		"has no input: begin with From":           flow.Stream[int]{}.To(out()),
		"operators: map: function is nil":         from().Map[int](nil).To(out()),
		"-1 retries: the number may not be":       from().OnError(flow.Retry(-1, nil)).To(out()),
		"a Retry follows a Retry":                 from().OnError(flow.Retry(1, nil).Then(flow.Retry(2, nil))).To(out()),
		"the dead-letter sink is nil":             from().To(out(), flow.OnWriteError(flow.DeadLetter(nil))),
		"batched by 0 within 1s":                  from().To(out(), flow.Batched(0, time.Second)),
		"batched by 1 within -1s":                 from().To(out(), flow.Batched(1, -time.Second)),
		"parallel map: 0 goroutines":              from().ParMap(0, failing(is(0))).To(out()),
		"neither count nor bytes are limited":     from().Via(operators.BatchBy[int, []int](operators.Limits[int]{})).FlatMap(func(v []int) []int { return v }).To(out()),
		"without a function that measures values": from().Via(operators.BatchBy[int, []int](operators.Limits[int]{Bytes: 1})).FlatMap(func(v []int) []int { return v }).To(out()),
		"a limit may not be negative":             from().Batch(-1, 0).FlatMap(func(v []int) []int { return v }).To(out()),
	} {
		t.Run(want, func(t *testing.T) {
			err := p.Validate()
			require.ErrorContains(t, err, want)
			require.Equal(t, err.Error(), p.Run(t.Context()).Error(), "Run says the same, and runs nothing")
		})
	}
}

func TestValidate_ReportsEveryFault(t *testing.T) {
	a := flow.From(sources.Values(1)).To(&collector[int]{}, flow.Batched(0, 0))
	b := flow.From(sources.Values(1)).ParMap(0, failing(is(0))).To(&collector[int]{})
	err := flow.Join(a, b).Validate()
	require.ErrorContains(t, err, "batched by 0")
	require.ErrorContains(t, err, "0 goroutines")
}

func described() *flow.Pipeline {
	src := sources.Values(1).WithLease(time.Minute)
	branches := flow.From(src).Named("orders").
		Map(func(v int) int { return v }).TryMap(failing(is(0))).Named("check").
		OnError(flow.Retry(3, nil).Then(flow.Skip())).
		ParMap(4, failing(is(0))).Broadcast(2)
	return flow.Join(
		branches[0].Batch(10, time.Second).To(&collector[[]int]{}, flow.As("bulk")),
		branches[1].To(&collector[int]{}, flow.As("single"), flow.Batched(5, time.Second), flow.OnWriteError(flow.Stop())),
	).Named("job")
}

func TestExplain_TellsAStageALine(t *testing.T) {
	require.Equal(t, `job
  s1 source      orders; lease 1m0s, held for at most 1s of the 48s it leaves; redelivers what fails; on error: retry 3, then skip
  s2 operator    map; from s1; keeps order; fused; settles with what comes of it; on error: retry 3, then skip
  s3 operator    check; from s2; keeps order; fused; settles with what comes of it; on error: retry 3, then skip
  s4 operator    parallel map; from s3; keeps order; on 4 goroutines; settles with what comes of it; on error: retry 3, then skip
  s5 broadcast   broadcast to 2; from s4; keeps order in a branch; fused; settles when all branches have that are not optional
  s6 operator    batch; from s5; keeps order; fused; settles with its batch; holds records for at most 1s; on error: retry 3, then skip
  s7 sink        bulk; from s6; keeps order; 1 write at once; settles each value when it is written; on error: retry 3, then skip
  s8 sink        single; from s5; batches of 5 or 1s; keeps order; 1 write at once; settles each value when it is written; on error: stop
`, described().Explain())
}

func TestMermaid_DrawsTheFlow(t *testing.T) {
	require.Equal(t, `flowchart LR
  s1["orders<br/>lease 1m0s, held for at most 1s of the 48s it leaves<br/>redelivers what fails<br/>on error: retry 3, then skip"]
  s2["map<br/>keeps order<br/>fused<br/>settles with what comes of it<br/>on error: retry 3, then skip"]
  s3["check<br/>keeps order<br/>fused<br/>settles with what comes of it<br/>on error: retry 3, then skip"]
  s4["parallel map<br/>keeps order<br/>on 4 goroutines<br/>settles with what comes of it<br/>on error: retry 3, then skip"]
  s5["broadcast to 2<br/>keeps order in a branch<br/>fused<br/>settles when all branches have that are not optional"]
  s6["batch<br/>keeps order<br/>fused<br/>settles with its batch<br/>holds records for at most 1s<br/>on error: retry 3, then skip"]
  s7["bulk<br/>keeps order<br/>1 write at once<br/>settles each value when it is written<br/>on error: retry 3, then skip"]
  s8["single<br/>batches of 5 or 1s<br/>keeps order<br/>1 write at once<br/>settles each value when it is written<br/>on error: stop"]
  s1 --> s2
  s2 --> s3
  s3 ==> s4
  s4 --> s5
  s5 --> s6
  s6 ==> s7
  s5 ==> s8
`, described().Mermaid())
}

func TestNamed_NumbersNamesThatOccurAgain(t *testing.T) {
	same := func(v int) int { return v }
	p := flow.From(sources.Values(1)).Map(same).Map(same).Map(same).Named("last").To(&collector[int]{})
	require.NoError(t, p.Run(t.Context()))
	for _, name := range []string{"map", "map 2", "last"} {
		_, ok := p.Snapshot().Stage(name)
		require.True(t, ok, name)
	}
}
