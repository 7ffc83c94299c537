package sim

import (
	"context"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/internal/randpipe"
)

// A feeder sends inputs until the broker has them. Of a message group it sends one at a time.
type feeder struct {
	w      *world
	name   string
	inputs []randpipe.Item
	topics []string
	rest   time.Duration // the most between two inputs
}

// run sends all inputs.
func (f *feeder) run() {
	c, err := client.New("broker:8081", client.WithConnect(newLink(f.w, f.name).connect))
	if err != nil {
		f.w.ledger.violated(Ending, "%s: %v", f.name, err)
		return
	}
	defer c.Close()
	p, err := c.NewProducer(client.WithTopics(f.topics...))
	if err != nil {
		f.w.ledger.violated(Ending, "%s: %v", f.name, err)
		return
	}
	d := f.w.draw(f.name)
	for _, it := range f.inputs {
		for !f.send(p, it) {
			f.w.sleep(context.Background(), d.Between(time.Millisecond, 500*time.Millisecond))
		}
		f.w.sleep(context.Background(), d.Between(0, f.rest))
	}
}

// topicOf gives where an input goes. A message group is in one topic.
func (f *feeder) topicOf(it randpipe.Item) string {
	n := uint64(it.Src)
	if it.Key != "" {
		n = randpipe.Hash(it.Key)
	}
	return f.topics[n%uint64(len(f.topics))]
}

func (f *feeder) send(p *client.Producer, it randpipe.Item) bool {
	_, err := p.Send(context.Background(), messageOf(it, f.topicOf(it)))
	if err != nil {
		f.w.note("%s cannot send input %d: %v", f.name, it.Src, err)
		return false
	}
	f.w.ledger.accepted(it.Src)
	return true
}
