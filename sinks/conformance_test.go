package sinks

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/flow/stage/stagetest"
)

var five = []string{"1", "2", "3", "4", "5"}

func TestMemory_KeepsTheContract(t *testing.T) {
	t.Run("collect", func(t *testing.T) {
		stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
			c := Collect[string]()
			return stagetest.SinkSetup[string]{Sink: c, Values: five, Written: c.Values}
		})
	})
	t.Run("discard", func(t *testing.T) {
		stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
			return stagetest.SinkSetup[string]{Sink: Discard[string](), Values: five}
		})
	})
}

func TestWriter_KeepsTheContract(t *testing.T) {
	t.Run("writer", func(t *testing.T) {
		stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
			var out bytes.Buffer
			return stagetest.SinkSetup[string]{
				Sink: Writer[string](&out, nil), Values: five,
				Written: func() []string { return lines(out.String()) },
			}
		})
	})
	t.Run("standard output", func(t *testing.T) {
		stagetest.Sink(t, func(t *testing.T) stagetest.SinkSetup[string] {
			t.Helper()
			path := filepath.Join(t.TempDir(), "stdout")
			return stagetest.SinkSetup[string]{
				Sink: stdoutInto(t, path), Values: five,
				Written: func() []string { return lines(contents(t, path)) },
			}
		})
	})
}

// stdoutInto gives a [Stdout] that took a file for the standard output when it was made.
func stdoutInto(t *testing.T, path string) stage.Sink[string] {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	real := os.Stdout
	defer func() { os.Stdout = real }()
	os.Stdout = file
	return Stdout(func(v string) string { return v })
}

func lines(text string) []string { return strings.Fields(text) }

func TestFunc_KeepsTheContract(t *testing.T) {
	for name, concurrency := range map[string]int{"in order": 1, "at once": 3} {
		t.Run(name, func(t *testing.T) {
			stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
				c := Collect[string]()
				return stagetest.SinkSetup[string]{
					Sink: Func(func(ctx context.Context, v string) error {
						if v == "poison" {
							return errBroken
						}
						return collectorWriter[string]{c}.Write(ctx, batch(v))
					}).Concurrently(concurrency),
					Values: five, Written: c.Values, Poison: func() string { return "poison" },
				}
			})
		})
	}
}

func TestFuncBatch_KeepsTheContract(t *testing.T) {
	for name, write := range map[string]func(c *Collector[string], values []string) error{
		"names the poison": func(c *Collector[string], values []string) error {
			var failed stage.BatchError
			for i, v := range values {
				if v == "poison" {
					failed.Fail(i, errBroken)
					continue
				}
				c.values = append(c.values, v)
			}
			return failed.OrNil()
		},
		"all or nothing": func(c *Collector[string], values []string) error {
			if slices.Contains(values, "poison") {
				return errBroken
			}
			c.values = append(c.values, values...)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
				c := Collect[string]()
				return stagetest.SinkSetup[string]{
					Sink: FuncBatch(func(_ context.Context, values []string) error {
						c.mu.Lock()
						defer c.mu.Unlock()
						return write(c, values)
					}).Concurrently(2),
					Values: five, Written: c.Values, Poison: func() string { return "poison" },
				}
			}, stagetest.Without("writes every value in order", "it writes at once"))
		})
	}
}

// requireFileContract runs the shared test for a kind of file, plain and gzip. parse is what another
// program makes of the text.
func requireFileContract[T any](t *testing.T, sink func(path string) *File[T], values []T, parse func(t *testing.T, text string) []T, poison func() T) {
	t.Helper()
	for _, name := range []string{"out", "out.gz"} {
		t.Run(name, func(t *testing.T) {
			stagetest.Sink(t, func(t *testing.T) stagetest.SinkSetup[T] {
				t.Helper()
				path := filepath.Join(t.TempDir(), name)
				return stagetest.SinkSetup[T]{
					Sink: sink(path), Values: values, Poison: poison,
					Written: func() []T { return parse(t, contents(t, path)) },
				}
			})
		})
	}
}

func TestLines_KeepsTheContract(t *testing.T) {
	requireFileContract(t, func(path string) *File[string] { return Lines(path) }, five,
		func(_ *testing.T, text string) []string { return lines(text) },
		func() string { return "two\nlines" })
}

func TestJSONLines_KeepsTheContract(t *testing.T) {
	requireFileContract(t, func(path string) *File[any] { return JSONLines[any](path) },
		[]any{"1", 2.5, true, []any{"4\n"}, nil},
		decodeLines[any],
		func() any { return func() {} })
}

func decodeLines[T any](t *testing.T, text string) (all []T) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var v T
		require.NoError(t, d.Decode(&v))
		all = append(all, v)
	}
	return all
}

// picky is text that is not always to be had.
type picky string

func (p picky) MarshalText() ([]byte, error) {
	if p == "poison" {
		return nil, errBroken
	}
	return []byte(p), nil
}

func TestCSV_KeepsTheContract(t *testing.T) {
	type record struct {
		Text picky `csv:"text"`
	}
	t.Run("structs", func(t *testing.T) {
		requireFileContract(t, func(path string) *File[record] { return CSV[record](path) },
			[]record{{"1"}, {"2\n\"x\""}, {""}, {"4,"}},
			func(t *testing.T, text string) (all []record) {
				t.Helper()
				rows := readCSV(t, text)
				require.Equal(t, []string{"text"}, rows[0])
				for _, row := range rows[1:] {
					all = append(all, record{picky(row[0])})
				}
				return all
			},
			func() record { return record{"poison"} })
	})
	t.Run("fields", func(t *testing.T) {
		requireFileContract(t, func(path string) *File[[]string] { return CSV[[]string](path) },
			[][]string{{"1", "a"}, {"2", "b\n"}, {"3", ""}, {"4", "d"}}, readCSV,
			func() []string { return nil })
	})
}

func readCSV(t *testing.T, text string) [][]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	require.NoError(t, err)
	return all
}

// deadLetters are failures of which their stage is enough to tell them apart.
func deadLetters() (all []stage.Failure) {
	for _, name := range five {
		all = append(all, stage.Failure{Stage: name})
	}
	return all
}

func TestDeadLetterFile_KeepsTheContract(t *testing.T) {
	requireFileContract(t, func(path string) *File[stage.Failure] { return DeadLetterFile(path) }, deadLetters(),
		func(t *testing.T, text string) (all []stage.Failure) {
			t.Helper()
			for _, r := range decodeLines[deadRecord](t, text) {
				all = append(all, stage.Failure{Stage: r.Stage})
			}
			return all
		}, nil)
}

func TestDeadLetterTopic_KeepsTheContract(t *testing.T) {
	stagetest.Sink(t, func(t *testing.T) stagetest.SinkSetup[stage.Failure] {
		t.Helper()
		r := newRig(t)
		return stagetest.SinkSetup[stage.Failure]{
			Sink: DeadLetterTopic(r.client, "out"), Values: deadLetters(),
			Written: func() (all []stage.Failure) {
				for _, m := range r.broker.Messages("out") {
					all = append(all, stage.Failure{Stage: m.Properties[PropertyStage]})
				}
				return all
			},
			// A message without a body: there is no sending it again either.
			Poison: func() stage.Failure { return stage.Failure{Source: &client.Message{}} },
		}
	}, stagetest.InBubble())
}

func TestRocketMQ_KeepsTheContract(t *testing.T) {
	for name, opts := range map[string][]RocketMQOption{"in order": nil, "at once": {WithConcurrency(3)}} {
		t.Run(name, func(t *testing.T) {
			stagetest.Sink(t, func(t *testing.T) stagetest.SinkSetup[*client.Message] {
				t.Helper()
				r := newRig(t)
				var values []*client.Message
				for _, body := range five {
					values = append(values, message(body))
				}
				return stagetest.SinkSetup[*client.Message]{
					Sink: RocketMQ(r.client, "out", opts...), Values: values,
					Written: func() (written []*client.Message) {
						for _, body := range bodies(r.broker, "out") {
							written = append(written, message(body))
						}
						return written
					},
					Poison: func() *client.Message { return message("") },
				}
			}, stagetest.InBubble())
		})
	}
}

// A value that becomes no message fails before any is sent, and those before it are sent all the same.
func TestRocketMQOf_KeepsTheContract(t *testing.T) {
	stagetest.Sink(t, func(t *testing.T) stagetest.SinkSetup[string] {
		t.Helper()
		r := newRig(t)
		return stagetest.SinkSetup[string]{
			Sink: RocketMQOf(r.client, "out", func(v string) (*client.Message, error) {
				if v == "poison" {
					return nil, errBroken
				}
				return message(v), nil
			}),
			Values: five, Written: func() []string { return bodies(r.broker, "out") },
			Poison: func() string { return "poison" },
		}
	}, stagetest.InBubble())
}

// newRig is called within a bubble, whose end closes the rig.
func newRig(t *testing.T) *rig {
	t.Helper()
	b := brokertest.New(t, brokertest.WithoutAutoCreate(), brokertest.WithTopics(
		broker.Topic{Name: "out", Queues: 1}, broker.Topic{Name: "steps", Queues: 1, Type: broker.FIFO}))
	c, err := client.New(b.Endpoint(), client.WithPlaintext(), client.WithDialer(b.Dialer()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return &rig{t, b, c}
}
