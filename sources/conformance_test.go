package sources

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
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
		"keyed":                {make: func() *Memory[string] { return Values(five...).ReadSize(2).Keyed(initial).Redeliver(0, nil) }},
		"leased":               {make: func() *Memory[string] { return Values(five...).Keyed(initial).WithLease(time.Hour) }},
	} {
		t.Run(name, func(t *testing.T) {
			stagetest.Source(t, func(*testing.T) stagetest.SourceSetup[string] {
				return stagetest.SourceSetup[string]{Source: c.make(), Values: five}
			}, append(c.opts, stagetest.InBubble())...)
		})
	}
}

func TestFile_KeepsTheContract(t *testing.T) {
	text := strings.Join(five, "\n")
	for name, file := range map[string]func(t *testing.T) *File[string]{
		"lines": func(t *testing.T) *File[string] {
			t.Helper()
			return Lines(write(t, "data", []byte(text)))
		},
		"gzip": func(t *testing.T) *File[string] {
			t.Helper()
			return Lines(write(t, "data", zip(t, text)))
		},
		"json lines": func(t *testing.T) *File[string] {
			t.Helper()
			return JSONLines[string](write(t, "data", []byte("\""+strings.Join(five, "\"\n\"")+"\"\n")))
		},
		"several files": func(t *testing.T) *File[string] {
			t.Helper()
			return Lines(write(t, "x", []byte("a1\na2\n")), WithFiles(write(t, "y", []byte("b1\na3\nb2\n"))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			stagetest.Source(t, func(t *testing.T) stagetest.SourceSetup[string] {
				t.Helper()
				return stagetest.SourceSetup[string]{Source: file(t), Values: five}
			})
		})
	}
	t.Run("reader", func(t *testing.T) {
		stagetest.Source(t, func(*testing.T) stagetest.SourceSetup[string] {
			return stagetest.SourceSetup[string]{Source: LinesFrom(strings.NewReader(text)), Values: five}
		}, stagetest.GoesOn())
	})
	t.Run("csv", func(t *testing.T) {
		type record struct {
			A string `csv:"a"`
		}
		stagetest.Source(t, func(t *testing.T) stagetest.SourceSetup[record] {
			t.Helper()
			path := write(t, "data", []byte("a\n1\n2\n\"3\n\"\n"))
			return stagetest.SourceSetup[record]{Source: CSV[record](path), Values: []record{{"1"}, {"2"}, {"3\n"}}}
		})
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
