package gostreams_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/reugn/go-streams"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/gostreams"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sources"
)

// lingering is a flow that gives each element after a while, and ends some time after its input.
type lingering struct{ in, out chan any }

func newLingering(each, end time.Duration) lingering {
	l := lingering{make(chan any), make(chan any)}
	go func() {
		defer close(l.out)
		for e := range l.in {
			time.Sleep(each)
			l.out <- e
		}
		time.Sleep(end)
	}()
	return l
}

func (l lingering) In() chan<- any { return l.in }

func (l lingering) Out() <-chan any { return l.out }

func (l lingering) Via(next streams.Flow) streams.Flow {
	go l.To(next.(streams.Sink))
	return next
}

func (l lingering) To(sink streams.Sink) {
	for e := range l.out {
		sink.In() <- e
	}
	close(sink.In())
	sink.AwaitCompletion()
}

// The second record waits until the first of its key is done, and then goes into the next flow, while
// Drain still waits for the one before.
func TestForeign_LosesNothingThatComesDuringADrain(t *testing.T) {
	for name, operator := range map[string]func(func() streams.Flow) stage.Operator[string, string]{
		"one to one": gostreams.OneToOne[string, string],
		"enveloped":  gostreams.Enveloped[string, string],
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				made := 0
				newFlow := func() streams.Flow {
					if made++; made == 1 {
						return newLingering(time.Minute, time.Hour)
					}
					return newLingering(2*time.Hour, 0)
				}
				src := sources.Values("a1", "a2").Keyed(func(string) string { return "a" }).Redeliver(0, nil)
				out := &journal[string]{}
				p := flow.From(src).Via(operator(newFlow)).To(out)
				require.NoError(t, p.Run(t.Context()))
				require.Equal(t, []string{"a1", "a2"}, out.written())
				require.Equal(t, 2, made)
				require.Zero(t, counted(t, p, "lost"))
				for _, o := range src.Outcomes() {
					require.True(t, o.Done)
					require.Equal(t, 1, o.Attempts)
				}
			})
		})
	}
}
