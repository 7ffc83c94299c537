package billing

import (
	"time"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Sale is what a shop has sold.
type Sale struct {
	Shop  string
	Cents int
	At    time.Time
}

// Revenue sums up what each shop sells in an hour. Tills send their sales with up to ten minutes of
// disorder. For another hour a sale corrects the sum; what comes later than that goes to the late.
func Revenue(sales stage.Source[Sale], sums stage.Sink[flow.Window[string, int]], late stage.Sink[Sale]) *flow.Pipeline {
	return flow.From(sales).
		KeyBy(func(s Sale) string { return s.Shop }).
		Window(flow.Tumbling(time.Hour), flow.EventTime(func(s Sale) time.Time { return s.At }, 10*time.Minute)).
		AllowedLateness(time.Hour).
		Late(func(s flow.Stream[Sale]) *flow.Pipeline { return s.To(late) }).
		Agg(func() int { return 0 }, func(sum int, s Sale) int { return sum + s.Cents }).
		To(sums)
}
