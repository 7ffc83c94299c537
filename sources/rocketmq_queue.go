package sources

import (
	"fmt"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// queueNames are the queues that messages came from, by the names that their partitions have. The
// goroutine that reads owns them.
type queueNames map[queueOf]string

type queueOf struct {
	topic, broker string
	id            int
}

// tell lets the batch tell of each message which queue it is from.
func (q queueNames) tell(b stage.Batch[*client.Message]) stage.Batch[*client.Message] {
	names, info := make([]string, len(b.Values)), b.Info
	for i, m := range b.Values {
		names[i] = q.name(queueOf{m.Topic, m.Broker, m.QueueID})
	}
	b.Info = func(i int) stage.Info {
		told := info(i)
		told.Partition = names[i]
		return told
	}
	return b
}

func (q queueNames) name(of queueOf) string {
	name, ok := q[of]
	if !ok {
		name = fmt.Sprintf("%s/%s/%d", of.topic, of.broker, of.id)
		q[of] = name
	}
	return name
}
