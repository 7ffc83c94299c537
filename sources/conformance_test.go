package sources

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/flow/stage/stagetest"
)

var five = []string{"a1", "a2", "b1", "a3", "b2"}

func initial(s string) string { return s[:1] }

func TestMemory_KeepsTheContract(t *testing.T) {
	closed := func() chan string {
		c := make(chan string, len(five))
		for _, v := range five {
			c <- v
		}
		close(c)
		return c
	}
	for name, c := range map[string]struct {
		make func() *Memory[string]
		opts []stagetest.Option
	}{
		"slice":    {make: func() *Memory[string] { return Slice(five).ReadSize(2) }},
		"seq":      {make: func() *Memory[string] { return Seq(slices.Values(five)) }},
		"channel":  {func() *Memory[string] { return Channel(closed()) }, []stagetest.Option{stagetest.GoesOn()}},
		"recorded": {func() *Memory[string] { return Values(five...).Recorded() }, []stagetest.Option{stagetest.GoesOn()}},
		"redelivering": {make: func() *Memory[string] {
			return Seq(slices.Values(five)).Redeliver(0, func(int) time.Duration { return time.Minute })
		}},
		"redelivering channel": {make: func() *Memory[string] { return Channel(closed()).Redeliver(0, nil) }},
		"keyed channel": {make: func() *Memory[string] {
			return Channel(closed()).Keyed(initial).Redeliver(0, func(int) time.Duration { return time.Minute })
		}},
		"keyed, not redelivering": {make: func() *Memory[string] { return Values(five...).Keyed(initial) }},
		"keyed":                   {make: func() *Memory[string] { return Values(five...).ReadSize(2).Keyed(initial).Redeliver(0, nil) }},
		"leased":                  {make: func() *Memory[string] { return Values(five...).Keyed(initial).WithLease(time.Hour) }},
	} {
		t.Run(name, func(t *testing.T) {
			stagetest.Source(t, func(*testing.T) stagetest.SourceSetup[string] {
				return stagetest.SourceSetup[string]{Source: c.make(), Values: five}
			}, append(c.opts, stagetest.InBubble())...)
		})
	}
}

// requireContract runs the shared test for a source of values. setup is called for each of its rules.
func requireContract[T any](t *testing.T, values []T, setup func(t *testing.T) stage.Source[T], opts ...stagetest.Option) {
	t.Helper()
	stagetest.Source(t, func(t *testing.T) stagetest.SourceSetup[T] {
		t.Helper()
		return stagetest.SourceSetup[T]{Source: setup(t), Values: values}
	}, opts...)
}

// texts of five, by kind of file.
var (
	asLines = strings.Join(five, "\n") // the last one without an end
	asJSON  = `"` + strings.Join(five, "\"\n\"") + `"` + "\n"
	asCSV   = "name\n" + asLines
)

func TestFile_KeepsTheContract(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		make func(path string) *File[string]
	}{
		"lines":                {asLines, func(path string) *File[string] { return Lines(path) }},
		"lines in CRLF":        {strings.Join(five, "\r\n"), func(path string) *File[string] { return Lines(path) }},
		"lines behind a mark":  {"\ufeff" + asLines, func(path string) *File[string] { return Lines(path) }},
		"lines with some left": {"x\ny\n" + asLines, func(path string) *File[string] { return Lines(path, WithSkip(2)) }},
		"lines from a line on": {"x\ny\n" + asLines, func(path string) *File[string] { return Lines(path, WithFromLine(3)) }},
		"lines of a pattern":   {asLines, func(path string) *File[string] { return Lines(path[:len(path)-1] + "?") }},
		"json lines":           {asJSON, func(path string) *File[string] { return JSONLines[string](path) }},
	} {
		t.Run(name, func(t *testing.T) {
			requireContract(t, five, func(t *testing.T) stage.Source[string] {
				t.Helper()
				return c.make(write(t, "data", []byte(c.text)))
			})
		})
		t.Run(name+", gzip", func(t *testing.T) {
			requireContract(t, five, func(t *testing.T) stage.Source[string] {
				t.Helper()
				return c.make(write(t, "data", zip(t, c.text)))
			})
		})
	}
	t.Run("several files", func(t *testing.T) {
		requireContract(t, five, func(t *testing.T) stage.Source[string] {
			t.Helper()
			return Lines(write(t, "x", []byte("a1\na2\n")), WithFiles(write(t, "y", []byte("b1\na3\nb2\n"))))
		})
	})
	t.Run("faults", func(t *testing.T) {
		requireContract(t, []string{"a1", "", "b1"}, func(t *testing.T) stage.Source[string] {
			t.Helper()
			return JSONLines[string](write(t, "data", []byte("\"a1\"\n{torn\n\"b1\"\n")))
		})
	})
}

func TestFileFrom_KeepsTheContract(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		make func(r io.Reader) *File[string]
	}{
		"lines":      {asLines, func(r io.Reader) *File[string] { return LinesFrom(r) }},
		"json lines": {asJSON, func(r io.Reader) *File[string] { return JSONLinesFrom[string](r) }},
	} {
		for closing, wrap := range map[string]func(io.Reader) io.Reader{
			"open":   func(r io.Reader) io.Reader { return r },
			"closer": func(r io.Reader) io.Reader { return io.NopCloser(r) },
			"gzip":   func(r io.Reader) io.Reader { return bytes.NewReader(zip(t, c.text)) },
		} {
			t.Run(name+", "+closing, func(t *testing.T) {
				requireContract(t, five, func(*testing.T) stage.Source[string] {
					return c.make(wrap(strings.NewReader(c.text)))
				}, stagetest.GoesOn())
			})
		}
	}
}

func TestCSV_KeepsTheContract(t *testing.T) {
	type record struct {
		Name string `csv:"name"`
	}
	var records []record
	var rows []Row
	decode := newRowDecoder([]string{"name"})
	for _, v := range five {
		records = append(records, record{v})
		row, err := decode([]string{v})
		require.NoError(t, err)
		rows = append(rows, row)
	}
	t.Run("structs", func(t *testing.T) {
		requireContract(t, records, func(t *testing.T) stage.Source[record] {
			t.Helper()
			return CSV[record](write(t, "data", []byte(asCSV)))
		})
	})
	t.Run("rows", func(t *testing.T) {
		requireContract(t, rows, func(t *testing.T) stage.Source[Row] {
			t.Helper()
			return CSV[Row](write(t, "data", []byte(asCSV)))
		})
	})
	t.Run("rows without a header", func(t *testing.T) {
		requireContract(t, rows, func(t *testing.T) stage.Source[Row] {
			t.Helper()
			return CSV[Row](write(t, "data", zip(t, asLines)), WithHeader("name"))
		})
	})
	t.Run("records of several lines, and a fault", func(t *testing.T) {
		requireContract(t, []record{{"1"}, {"2\n"}, {}, {"3"}}, func(t *testing.T) stage.Source[record] {
			t.Helper()
			return CSV[record](write(t, "data", []byte("name;x\n1;\n\"2\n\";\nshort\n3;\n")), WithComma(';'))
		})
	})
	t.Run("a reader", func(t *testing.T) {
		requireContract(t, records, func(*testing.T) stage.Source[record] {
			return CSVFrom[record](strings.NewReader(asCSV))
		}, stagetest.GoesOn())
	})
}

func TestRocketMQ_KeepsTheContract(t *testing.T) {
	for name, c := range map[string]struct {
		topic, group, messageGroup string
		opts                       []stagetest.Option
	}{
		"concurrent": {"in", "G", "", []stagetest.Option{stagetest.Unordered()}},
		"in order":   {"steps", "O", "g", nil},
	} {
		t.Run(name, func(t *testing.T) {
			stagetest.Source(t, func(t *testing.T) stagetest.SourceSetup[*client.Message] {
				t.Helper()
				r := newRig(t)
				r.send(c.topic, c.messageGroup, five...)
				var want []*client.Message
				for _, body := range five {
					want = append(want, &client.Message{Body: []byte(body)})
				}
				return stagetest.SourceSetup[*client.Message]{
					Source: RocketMQ(r.client, c.topic, c.group), Values: want,
					Equal: func(a, b *client.Message) bool { return bytes.Equal(a.Body, b.Body) },
				}
			}, append(c.opts, stagetest.InBubble(), stagetest.Endless())...)
		})
	}
}
