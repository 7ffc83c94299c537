package integration

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// Who consumes in order by hand takes one message at a time, and hands back what fails: nothing of its
// group comes before it then.
func TestFIFO_ASimpleConsumerKeepsTheOrderThroughFailures(t *testing.T) {
	const each = 6
	groups := []string{"a", "b"}
	g := target.New(t)
	topic, group := g.CreateTopic(t, "FIFO", 2), g.CreateGroup(t, true, 16)
	c := newClient(t, g)
	sendNumbers(t, c, topic, each*len(groups), groups...)

	sc := newConsumer(t, c, group, topic)
	seen, done := make(map[string]int), make(map[string][]string)
	for n := 0; n < each*len(groups); {
		d := receive(t, sc, 1)[0]
		body := string(d.Body)
		seen[body]++
		if seen[body] == 1 && n%3 == 0 {
			require.NoError(t, d.Nack(limited(t), 0))
			continue
		}
		if !slices.Contains(done[d.MessageGroup], body) {
			done[d.MessageGroup] = append(done[d.MessageGroup], body)
			n++
		}
		require.NoError(t, d.Ack(limited(t)))
	}
	for i, key := range groups {
		var want []string
		for n := range each {
			want = append(want, fmt.Sprint(n*len(groups)+i))
		}
		require.Equal(t, want, done[key])
	}
}

// A message group is stored in the order of its sends, whichever way it is sent.
func TestFIFO_StoresAGroupInTheOrderSent(t *testing.T) {
	const n = 40
	g := target.New(t)
	topic, group := g.CreateTopic(t, "FIFO", 4), g.CreateGroup(t, true, 16)
	c := newClient(t, g)
	p := newProducer(t, c)
	var want []string
	var batch []*client.Message
	for i := range n {
		m := &client.Message{Topic: topic, Body: fmt.Append(nil, i), MessageGroup: "g"}
		want = append(want, fmt.Sprint(i))
		if i < n/2 {
			p.SendAsync(limited(t), m, func(_ client.Receipt, err error) { require.NoError(t, err) })
			continue
		}
		batch = append(batch, m)
	}
	require.NoError(t, p.Flush(limited(t)))
	_, err := p.SendBatch(limited(t), batch)
	require.NoError(t, err)

	sc := newConsumer(t, c, group, topic)
	var got []string
	for len(got) < n {
		ds := receive(t, sc, 1)
		got = append(got, bodies(ds)...)
		require.NoError(t, sc.Ack(limited(t), ds...))
	}
	require.Equal(t, want, got)
}
