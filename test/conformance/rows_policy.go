package conformance

import (
	"slices"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func policyRows() []Row {
	return []Row{
		{"AU6", "the most specific of a user's policies decides, and what none is for is refused", Equal, precedence},
		{"AU7", "a policy for other addresses than the client's stands back", Equal, func(e *Env) {
			topic := e.Topic("NORMAL", 1)
			for _, source := range []string{"127.0.0.1", "127.0.0.0/8"} {
				c, _ := e.User(from(allow("*", "Pub"), "10.0.0.7", source))
				require.Equal(e, v2.Code_OK, c.Code(e.Message(topic, "body")), source)
			}
			c, name := e.User(from(allow("Topic:"+topic, "Pub"), "10.0.0.7", "10.0.0.0/8"))
			e.requireUnauthorized(c.Send(e.Message(topic, "body")).GetStatus(), noPermission(name, "Topic:"+topic)+"no matched policies.")
			c, _ = e.User(from(deny("Topic:"+topic, "Pub"), "10.0.0.7"), allow("*", "Pub"))
			require.Equal(e, v2.Code_OK, c.Code(e.Message(topic, "body")))
		}},
		{"AU8", "to send takes Pub on the topic, to consume Sub on the group and mostly the topic, a route either", Equal, permissions},
		{"AU9", "what leaves out the name that it needs is UNAUTHORIZED", Equal, func(e *Env) {
			c, _ := e.User(allow("*", "All"))
			e.requireUnauthorized(c.Route("").GetStatus(), "topic is null.")
			e.requireUnauthorized(c.Send().GetStatus(), "message is null.")
			e.requireUnauthorized(c.Assignment("", "x").GetStatus(), "group is null.")
			r := newReceive("x", "x", nil)
			r.MessageQueue = nil
			received, err := c.receive(r)
			require.NoError(e, err)
			e.requireUnauthorized(received.Status, "messageQueue is null.")
			require.Equal(e, []string{"status"}, received.Frames)
		}},
		{"AU10", "a topic that is missing is so only to who may use it", Equal, func(e *Env) {
			missing := e.Name("missing")
			c, _ := e.User(allow("*", "All"))
			require.Equal(e, v2.Code_TOPIC_NOT_FOUND, c.Route(missing).GetStatus().GetCode())
			c, name := e.User()
			e.requireUnauthorized(c.Route(missing).GetStatus(), noPermission(name, "Topic:"+missing)+"no matched policies.")
		}},
		{"AU11", "the policy for a group is that for the topic of its redeliveries", Equal, func(e *Env) {
			group := e.Group()
			c, _ := e.User(allow("Group:"+group, "Sub"))
			require.Equal(e, v2.Code_UNRECOGNIZED_CLIENT_TYPE, c.Heartbeat("%RETRY%"+group).GetCode())
		}},
	}
}

func precedence(e *Env) {
	topic := e.Topic("NORMAL", 1)
	name, begin, shorter := "Topic:"+topic, "Topic:"+topic[:len(topic)-1]+"*", "Topic:"+topic[:4]+"*"
	const none, denied = "no matched policies.", "the decision is deny."
	for _, test := range []struct {
		what     string
		policies []target.Policy
		want     string // empty if the message is taken
	}{
		{"nothing", nil, none},
		{"the name", []target.Policy{allow(name, "Pub")}, ""},
		{"another action", []target.Policy{allow(name, "Sub")}, none},
		{"groups", []target.Policy{allow("Group:*", "All")}, none},
		{"denied", []target.Policy{deny(name, "Pub")}, denied},
		{"the name before a prefix", []target.Policy{deny(begin, "Pub"), allow(name, "Pub")}, ""},
		{"the longer prefix", []target.Policy{allow(shorter, "Pub"), deny(begin, "Pub")}, denied},
		{"a prefix before all topics", []target.Policy{deny("Topic:*", "All"), allow(shorter, "Pub")}, ""},
		{"all topics before everything", []target.Policy{allow("*", "All"), deny("Topic:*", "Pub")}, denied},
		{"what is for another action stands back", []target.Policy{deny(name, "Sub"), allow("*", "Pub")}, ""},
	} {
		c, user := e.User(test.policies...)
		answer := c.Send(e.Message(topic, "body")).GetStatus()
		if test.want == "" {
			require.Equal(e, v2.Code_OK, answer.GetCode(), "%s: %v", test.what, answer)
			continue
		}
		e.requireUnauthorized(answer, noPermission(user, name)+test.want, test.what)
	}
}

// permissions asks for each thing as a user who may send, one who may read the topic, one in the
// group, and one who may consume, and sees who is answered.
func permissions(e *Env) {
	topic, group := e.Topic("NORMAL", 1), e.Group()
	send, read, member := allow("Topic:"+topic, "Pub"), allow("Topic:"+topic, "Sub"), allow("Group:"+group, "Sub")
	users := map[string]*Client{}
	for who, policies := range map[string][]target.Policy{
		"sender": {send}, "reader": {read}, "member": {member}, "consumer": {read, member},
	} {
		users[who], _ = e.User(policies...)
	}
	m := e.Message(topic, "body")
	for what, test := range map[string]struct {
		ask  func(c *Client) *v2.Status
		open []string
	}{
		"route":                  {func(c *Client) *v2.Status { return c.Route(topic).GetStatus() }, []string{"consumer", "reader", "sender"}},
		"send":                   {func(c *Client) *v2.Status { return c.Send(m).GetStatus() }, []string{"sender"}},
		"recall":                 {func(c *Client) *v2.Status { return c.Recall(topic, "x").GetStatus() }, []string{"sender"}},
		"assignment":             {func(c *Client) *v2.Status { return c.Assignment(group, topic).GetStatus() }, []string{"consumer"}},
		"ack":                    {func(c *Client) *v2.Status { return c.Ack(group, topic, m).GetStatus() }, []string{"consumer"}},
		"forward":                {func(c *Client) *v2.Status { return c.Forward(group, topic, m) }, []string{"consumer"}},
		"receive":                {func(c *Client) *v2.Status { return c.Receive(group, topic).Status }, []string{"consumer"}},
		"change":                 {func(c *Client) *v2.Status { return c.Change(group, topic, m, time.Second).GetStatus() }, []string{"consumer", "member"}},
		"heartbeat":              {func(c *Client) *v2.Status { return c.Heartbeat(group) }, []string{"consumer", "member"}},
		"termination":            {func(c *Client) *v2.Status { return c.Terminate(group) }, []string{"consumer", "member"}},
		"farewell of a producer": {func(c *Client) *v2.Status { return c.Terminate("") }, []string{"consumer", "member", "reader", "sender"}},
	} {
		var open []string
		for who, c := range users {
			if test.ask(c).GetCode() != v2.Code_UNAUTHORIZED {
				open = append(open, who)
			}
		}
		slices.Sort(open)
		require.Equal(e, test.open, open, what)
	}
}
