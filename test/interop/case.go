package interop

import (
	"strings"
	"time"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// A Case is what one program of each language does. README.md describes it to those who write one.
type Case struct {
	Name string
	// Topic and Group are created for each program, under names of its own.
	Topic target.Topic
	Group target.Group
	// Lite binds the group to the topic.
	Lite bool
	// Guarded says that the case is run on a server that serves users alone, with a user of the
	// program's own who may send to the topic and read it in the group. All others are run on one
	// that serves everybody.
	Guarded bool
	// Rows are the lines that have to come, each once and in the order of its row, and no other.
	Rows [][]string
	// Pause is the least time between two of the lines.
	Pause Pause
	// Skip tells for a mode of the server why it cannot serve the case.
	Skip map[string]string
}

// A Pause is the least time from one line of a program to another.
type Pause struct {
	From, To string
	Least    time.Duration
}

// Cases returns all cases, those that take longest first.
func Cases() []Case {
	return append(waiting(), immediate()...)
}

// waiting returns the cases in which something takes its time.
func waiting() []Case {
	return []Case{
		{Name: "transaction", Topic: topic("TRANSACTION", 8), Rows: [][]string{
			{"sent paid", "committed paid", "received paid", "acked paid"},
			{"sent cancelled", "rolled-back cancelled"},
			{"sent forgotten", "checked forgotten", "received forgotten", "acked forgotten"},
		}},
		{Name: "push", Topic: topic("NORMAL", 8), Rows: [][]string{
			{"sent good", "received good attempt=1"},
			{"sent bad", "received bad attempt=1", "failed bad", "received bad attempt=2"},
		}},
		{Name: "fifo", Topic: topic("FIFO", 8), Group: target.Group{Ordered: true}, Rows: [][]string{
			{"sent a-1", "sent b-1", "sent a-2", "sent b-2", "sent a-3", "sent b-3"},
			{"received a-1 group=a", "received a-2 group=a", "received a-3 group=a"},
			{"received b-1 group=b", "received b-2 group=b", "received b-3 group=b"},
		}},
		{
			Name: "fifo-retry", Topic: topic("FIFO", 8), Group: target.Group{Ordered: true},
			Rows: [][]string{{
				"sent first", "sent second", "sent third", "received first attempt=1", "failed first",
				"received first attempt=2", "received second attempt=1", "received third attempt=1",
			}},
		},
		{Name: "filter-tag", Topic: topic("NORMAL", 1), Rows: [][]string{
			{"sent red", "sent green", "sent blue"},
			{"received red tag=red"}, {"received blue tag=blue"}, // in any order, since a listener runs many at once
		}},
		{
			Name: "lite", Topic: topic("LITE", 8), Lite: true,
			Rows: [][]string{
				{"sent elsewhere", "sent here"},
				{"received here lite=room-1"}, // maybe before its receipt, since the consumer is there already
			},
			Skip: map[string]string{target.Local: "the server serves lite topics only in CLUSTER mode"},
		},
		{Name: "recall", Topic: topic("DELAY", 8), Rows: [][]string{
			{"sent unwanted", "recalled unwanted"},
			{"sent wanted", "received wanted", "acked wanted"},
		}},
		{
			Name: "delay", Topic: topic("DELAY", 8),
			Rows:  [][]string{{"sent later", "received later", "acked later"}},
			Pause: Pause{From: "sent later", To: "received later", Least: 2 * time.Second},
		},
		{Name: "simple", Topic: topic("NORMAL", 8), Rows: [][]string{
			{"sent again", "received again attempt=1", "postponed again", "received again attempt=2", "acked again"},
		}},
	}
}

// immediate returns the cases in which nothing has to be waited for.
func immediate() []Case {
	return []Case{
		{Name: "normal", Topic: topic("NORMAL", 8), Rows: [][]string{
			{"sent one", "received one tag=number key=key-one size=1", "acked one"},
			{"sent two", "received two tag=number key=key-two size=2", "acked two"},
			{"sent three", "received three tag=number key=key-three size=3", "acked three"},
		}},
		{Name: "filter-sql", Topic: topic("NORMAL", 1), Rows: [][]string{
			{"sent cheap", "sent dear", "sent cold", "sent plain", "sent last"},
			{"received dear colour=red price=50", "acked dear"},
			{"received last colour=red price=60", "acked last"},
		}},
		{Name: "priority", Topic: topic("PRIORITY", 8), Rows: [][]string{{
			"sent low", "sent middle", "sent high", "received high", "acked high",
			"received middle", "acked middle", "received low", "acked low",
		}}},
		{Name: "tls", Topic: topic("NORMAL", 8), Rows: [][]string{{"sent hello", "received hello", "acked hello"}}},
		{Name: "plaintext", Topic: topic("NORMAL", 8), Rows: [][]string{{"sent hello", "received hello", "acked hello"}}},
		{
			Name: "acl", Topic: topic("NORMAL", 8), Guarded: true,
			Rows: [][]string{{"sent allowed", "received allowed", "acked allowed"}, {"refused forged"}},
		},
	}
}

// stored is how many messages the topic has in the end: those that are sent and neither rolled back
// nor taken back.
func (c Case) stored() int {
	count := 0
	for _, row := range c.Rows {
		for _, text := range row {
			switch word, _, _ := strings.Cut(text, " "); word {
			case "sent":
				count++
			case "rolled-back", "recalled":
				count--
			}
		}
	}
	return count
}

func topic(messageType string, queues int) target.Topic {
	return target.Topic{Type: messageType, Queues: queues}
}
