package flow_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestThrough_GoesOnWithWhatTheSourceReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topic := make(chan string, 3)
		ctx, end := context.WithCancel(t.Context())
		var got []string
		write := sinks.Func(func(_ context.Context, s string) error {
			topic <- s
			return nil
		})
		p := flow.From(sources.Values("a", "b", "c")).
			Map(strings.ToUpper).
			Through(write, sources.Channel(topic)).
			Map(func(s string) string { return s + s }).
			To(sinks.Func(func(_ context.Context, s string) error {
				if got = append(got, s); len(got) == 3 {
					end()
				}
				return nil
			}))
		require.NoError(t, p.Run(ctx))
		require.Equal(t, []string{"AA", "BB", "CC"}, got)
		require.Equal(t, 2, strings.Count(p.Explain(), "source"), p.Explain())
	})
}

func TestThrough_NeedsAStream(t *testing.T) {
	p := flow.Stream[int]{}.Through(sinks.Discard[int](), sources.Values(1)).To(sinks.Discard[int]())
	require.ErrorContains(t, p.Validate(), "has no input")
}
