package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func TestFilter_SelectsBySQL(t *testing.T) {
	g := target.New(t)
	topic := g.CreateTopic(t, "NORMAL", 1)
	c := newClient(t, g)
	p := newProducer(t, c)
	for name, properties := range map[string]map[string]string{
		"cheap":   {"price": "5", "region": "eu"},
		"dear":    {"price": "500", "region": "eu"},
		"far":     {"price": "500", "region": "us"},
		"unknown": {"region": "eu"},
		"bare":    nil,
	} {
		_, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte(name), Tag: "t", Properties: properties})
		require.NoError(t, err)
	}
	for expression, want := range map[string][]string{
		"price > 100":                    {"dear", "far"},
		"price > 100 AND region = 'eu'":  {"dear"},
		"price BETWEEN 1 AND 10":         {"cheap"},
		"price IS NULL":                  {"unknown", "bare"},
		"region IN ('us') OR price < 10": {"far", "cheap"},
		"TAGS = 't' AND region <> 'eu'":  {"far"},
		"NOT (region = 'eu')":            {"far"},
		"region STARTSWITH 'u'":          {"far"},
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			sc, err := c.NewSimpleConsumer(g.CreateGroup(t, false, 16), map[string]client.Filter{topic: client.SQL(expression)})
			require.NoError(t, err)
			got := receive(t, sc, len(want))
			require.ElementsMatch(t, want, bodies(got))
			require.NoError(t, sc.Ack(limited(t), got...))
		})
	}
}

func TestFilter_RefusesSQLThatCannotBeRead(t *testing.T) {
	g := target.New(t)
	topic := g.CreateTopic(t, "NORMAL", 1)
	sc, err := newClient(t, g).NewSimpleConsumer(g.CreateGroup(t, false, 16), map[string]client.Filter{topic: client.SQL("price >")})
	require.NoError(t, err)
	_, err = sc.Receive(limited(t), 1, invisible)
	var refused *client.StatusError // the server's code for it is that of an internal error
	require.ErrorAs(t, err, &refused)
}

func TestFilter_ChangesWithTheSubscription(t *testing.T) {
	g := target.New(t)
	topic, group := g.CreateTopic(t, "NORMAL", 1), g.CreateGroup(t, false, 16)
	c := newClient(t, g)
	p := newProducer(t, c)
	send := func(tag string) {
		_, err := p.Send(limited(t), &client.Message{Topic: topic, Body: []byte(tag), Tag: tag})
		require.NoError(t, err)
	}
	sc := newConsumer(t, c, group, topic)
	require.NoError(t, sc.Subscribe(topic, client.Tag("a")))
	send("b")
	send("a")
	got := receive(t, sc, 1)
	require.Equal(t, []string{"a"}, bodies(got))
	require.NoError(t, sc.Ack(limited(t), got...))
	require.NoError(t, sc.Subscribe(topic, client.All()))
	send("c") // "b" was passed over for good
	got = receive(t, sc, 1)
	require.Equal(t, []string{"c"}, bodies(got))
	require.NoError(t, sc.Ack(limited(t), got...))
}
