package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

// A shape is what is in a broker while a cycle is measured: the cost of a message with much in it is
// compared with the cost with little.
type shape struct {
	topics, groups, backlog int // of each topic
}

// measureFlat compares the costs of a message: sent, received and acknowledged.
func measureFlat(ctx context.Context, w io.Writer, o options) error {
	usual := shape{topics: 1, groups: 1, backlog: 1000}
	for _, row := range []struct {
		name         string
		little, much shape
	}{
		{"cost-aa", usual, usual},
		{fmt.Sprintf("cost-backlog-%d-over-1000", o.stored), usual, shape{topics: 1, groups: 1, backlog: o.stored}},
		{"cost-topics-1000-over-1", shape{topics: 1, groups: 1, backlog: 64_000}, shape{topics: 1000, groups: 1, backlog: 64}},
		{"cost-groups-1000-over-1", usual, shape{topics: 1, groups: 1000, backlog: 1000}},
	} {
		over, cost, err := compareShapes(ctx, row.little, row.much, o.rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		_, err = fmt.Fprintf(w, "# %s: %.2f µs a message\n%s", row.name, cost, ratio.Line(row.name, over, 2))
		if err != nil {
			return err
		}
	}
	return nil
}

// compareShapes gives the ratio of the costs of each round, and the median cost with much in µs.
func compareShapes(ctx context.Context, little, much shape, rounds int) (over []float64, cost float64, err error) {
	var costs []float64
	few, err := newCycle(ctx, little)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, few.close()) }()
	many, err := newCycle(ctx, much)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, many.close()) }()
	for i := range rounds + 1 {
		a, err := few.run(ctx)
		if err != nil {
			return nil, 0, err
		}
		b, err := many.run(ctx)
		if err != nil {
			return nil, 0, err
		}
		if i > 0 { // the first is to warm up
			over, costs = append(over, b/a), append(costs, b)
		}
	}
	return over, ratio.Median(costs), nil
}

// A cycle is a broker with a shape, in which as much is received as is sent.
type cycle struct {
	*server
	topics []string
	turn   int
}

const measured = "measured" // the group that receives

func newCycle(ctx context.Context, s shape) (_ *cycle, err error) {
	c := new(cycle)
	if c.server, err = startOurs("broker"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	ctx = as(ctx, "bench@1")
	for i := range s.topics {
		topic := fmt.Sprintf("topic-%d", i)
		c.topics = append(c.topics, topic)
		if err := c.fill(ctx, topic, s.backlog); err != nil {
			return nil, err
		}
		if err := c.join(ctx, measured, topic); err != nil {
			return nil, err
		}
	}
	for i := range s.groups - 1 { // they have the same before them, and do not ask for it
		if err := c.join(ctx, fmt.Sprintf("group-%d", i), c.topics[0]); err != nil {
			return nil, err
		}
	}
	return c, c.join(ctx, measured, c.topics[0])
}

// run sends some messages and receives as many, and gives the time of one in µs. No other call is
// under way.
func (c *cycle) run(ctx context.Context) (float64, error) {
	const calls = 200
	ctx = as(ctx, "bench@1")
	begun := time.Now()
	for range calls {
		topic := c.topics[c.turn%len(c.topics)]
		c.turn++
		if err := c.send(ctx, topic, sendSize); err != nil {
			return 0, err
		}
		for range sendSize / batchSize {
			if n, err := c.receive(ctx, measured, topic, 5*time.Second); err != nil || n != batchSize {
				return 0, errors.Join(err, fmt.Errorf("bench: received %d messages of a backlog instead of %d", n, batchSize))
			}
		}
	}
	return float64(time.Since(begun).Microseconds()) / (calls * sendSize), nil
}
