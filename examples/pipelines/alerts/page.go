package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

// waits are how long an alert waits for each retry. In earnest they would be minutes and hours.
var waits = []time.Duration{time.Second, 2 * time.Second}

// page pages the desks of the carriers. An alert whose desk does not answer comes again after each of the
// waits, and meanwhile holds up no other; after the last it is a dead letter, as is at once what is no
// alert.
func page(c *client.Client, d *desks) *flow.Pipeline {
	later := sinks.RetryTopic(c, retryTopic, sinks.DeadLetterTopic(c, deadTopic), waits...)
	return flow.Merge(
		flow.From(sources.RocketMQ(c, alertsTopic, pageGroup)),
		flow.From(sources.RetryTopic(c, retryTopic, retryGroup)),
	).
		To(sinks.Func(d.page), flow.OnWriteError(flow.DeadLetter(later)))
}

// slowDesk is a carrier whose desk answers when it is paged for the third time.
const slowDesk = "9E"

var errNoAnswer = errors.New("the desk does not answer")

// desks are the people who are paged.
type desks struct {
	away []string // carriers whose desks never answer

	mu       sync.Mutex
	tries    map[string]int  // by alert
	answered map[string]bool // by alert
}

func newDesks(away ...string) *desks {
	return &desks{away: away, tries: make(map[string]int), answered: make(map[string]bool)}
}

// page pages a desk.
func (d *desks) page(_ context.Context, m *client.Message) error {
	var a Alert
	if err := json.Unmarshal(m.Body, &a); err != nil {
		return stage.Permanent(fmt.Errorf("alerts: message %s: %w", m.ID, err))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries[a.ID]++
	if slices.Contains(d.away, a.Carrier) || a.Carrier == slowDesk && sinks.Retries(m) < 2 {
		return fmt.Errorf("alerts: page %s: %w", a.Carrier, errNoAnswer)
	}
	d.answered[a.ID] = true
	return nil
}

// report prints what became of the alerts.
func (d *desks) report(w io.Writer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	atOnce := 0
	for id := range d.answered {
		if d.tries[id] == 1 {
			atOnce++
		}
	}
	_, err := fmt.Fprintf(w, "%d alerts paged: %d answered at once, %d later, %d not at all\n",
		len(d.tries), atOnce, len(d.answered)-atOnce, len(d.tries)-len(d.answered))
	return err
}
