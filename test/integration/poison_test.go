package integration

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

const (
	poisonRows = 1000
	poisonRow  = 333
)

var errPoison = errors.New("poison")

// poisoned is a sink that cannot write the poison row, and a count of the rows that it has.
type poisoned struct {
	sink    stage.Sink[string]
	written func(t *testing.T) int
}

// encoding fails for the poison row, in whatever form the sink encodes it.
type encoding struct {
	Row string
}

func (e encoding) MarshalText() ([]byte, error) {
	if e.Row == row(poisonRow) {
		return nil, errPoison
	}
	return []byte(e.Row), nil
}

func row(i int) string { return fmt.Sprint("row ", i) }

// adapted passes strings to a sink of another type.
type adapted[T any] struct {
	to  stage.Sink[T]
	how func(string) T
}

func (a adapted[T]) Open(ctx context.Context) (stage.Writer[string], error) {
	w, err := a.to.Open(ctx)
	return adaptedWriter[T]{w, a.how}, err
}

type adaptedWriter[T any] struct {
	stage.Writer[T]
	how func(string) T
}

func (a adaptedWriter[T]) Write(ctx context.Context, b stage.Batch[string]) error {
	values := make([]T, b.Len())
	for i, v := range b.Values {
		values[i] = a.how(v)
	}
	return a.Writer.Write(ctx, stage.Batch[T]{Values: values, Info: b.Info})
}

func lines(path string) func(t *testing.T) int {
	return func(t *testing.T) int {
		t.Helper()
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return strings.Count(string(text), "\n")
	}
}

// eachSink makes one of every sink that can fail a value.
func eachSink(t *testing.T, g *target.Target) map[string]poisoned {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	all := make(map[string]poisoned)

	ones := 0
	all["Func"] = poisoned{sinks.Func(func(_ context.Context, v string) error {
		if v == row(poisonRow) {
			return errPoison
		}
		ones++
		return nil
	}), func(*testing.T) int { return ones }}

	together := 0
	all["FuncBatch"] = poisoned{sinks.FuncBatch(func(_ context.Context, vs []string) error {
		for _, v := range vs {
			if v == row(poisonRow) {
				return errPoison // and not a word of which
			}
		}
		together += len(vs)
		return nil
	}), func(*testing.T) int { return together }}

	broken := func(v string) string {
		if v == row(poisonRow) {
			return v + "\n"
		}
		return v
	}
	all["Lines"] = poisoned{adapted[string]{sinks.Lines(path("lines")), broken}, lines(path("lines"))}

	encode := func(v string) encoding { return encoding{v} }
	all["JSONLines"] = poisoned{adapted[encoding]{sinks.JSONLines[encoding](path("json")), encode}, lines(path("json"))}
	type record struct {
		Row encoding `csv:"row"`
	}
	all["CSV"] = poisoned{
		adapted[record]{sinks.CSV[record](path("csv")), func(v string) record { return record{encode(v)} }},
		func(t *testing.T) int {
			t.Helper()
			f, err := os.Open(path("csv"))
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			rows, err := csv.NewReader(f).ReadAll()
			require.NoError(t, err)
			return len(rows) - 1
		},
	}

	topic, group := g.CreateTopic(t, "NORMAL", 4), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	all["RocketMQ"] = poisoned{
		sinks.RocketMQOf(c, topic, func(v string) (*client.Message, error) {
			if v == row(poisonRow) {
				return &client.Message{Body: make([]byte, 4<<20+1)}, nil // more than the server takes
			}
			return &client.Message{Body: []byte(v)}, nil
		}),
		func(t *testing.T) int {
			t.Helper()
			sc := newConsumer(t, c, group, topic)
			got := receive(t, sc, poisonRows-1)
			require.NoError(t, sc.Ack(limited(t), got...))
			return len(got)
		},
	}
	return all
}

func TestSinks_TakeNoneAlongWithAPoisonRow(t *testing.T) {
	g := target.New(t)
	rows := make([]string, poisonRows)
	for i := range rows {
		rows[i] = row(i)
	}
	for name, p := range eachSink(t, g) {
		t.Run(name, func(t *testing.T) {
			dead := sinks.Collect[flow.Failure]()
			err := flow.From(sources.Slice(rows)).
				OnError(flow.DeadLetter(dead)).
				To(p.sink, flow.Batched(500, time.Second)).
				Run(limited(t))
			require.NoError(t, err)
			require.Equal(t, poisonRows-1, p.written(t))
			require.Len(t, dead.Values(), 1)
			require.Equal(t, row(poisonRow), dead.Values()[0].Value)
		})
	}
}
