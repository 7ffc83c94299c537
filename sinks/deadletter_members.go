package sinks

import (
	"context"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// members gives a failure for each record that the failed one was joined of, such as those of a batch:
// each of them is acknowledged by the dead letter. What the source knows is known of the first, and of
// messages.
func members(f stage.Failure) []stage.Failure {
	if len(f.Sources) == 0 {
		return []stage.Failure{f}
	}
	all := make([]stage.Failure, len(f.Sources))
	for i, source := range f.Sources {
		one := f
		one.Source, one.Sources = source, nil
		if i > 0 {
			one.Info = stage.Info{}
		}
		if m, ok := source.(*client.Message); ok && m != nil {
			one.Info.ID, one.Info.Key, one.Info.Attempt = m.ID, m.MessageGroup, m.Attempt
			one.Info.EventTime, one.Info.TraceContext = m.BornTime, m.TraceContext
		}
		all[i] = one
	}
	return all
}

// eachMember is a sink of failures that writes each of their members to another.
type eachMember struct{ to *RocketMQSink[stage.Failure] }

var _ stage.SinkDescriber = eachMember{}

// SinkTraits are those of the other sink.
func (s eachMember) SinkTraits() stage.SinkTraits { return s.to.SinkTraits() }

// Open opens the other sink.
func (s eachMember) Open(ctx context.Context) (stage.Writer[stage.Failure], error) {
	w, err := s.to.Open(ctx)
	if err != nil {
		return nil, err
	}
	return memberWriter{w}, nil
}

type memberWriter struct{ stage.Writer[stage.Failure] }

// Write fails a failure of which one member is not written.
func (w memberWriter) Write(ctx context.Context, b stage.Batch[stage.Failure]) error {
	var failed stage.BatchError
	all := part[stage.Failure]{of: b}
	for i, f := range b.Values {
		all.add(i, members(f)...)
	}
	write(ctx, w.Writer, all, &failed)
	return failed.OrNil()
}
