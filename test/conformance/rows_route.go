package conformance

import (
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func routeRows() []Row {
	return []Row{
		{"RT1", "a topic of 4 queues has the ids 0 to 3, to read and write, of type NORMAL, at broker 0", Equal, func(e *Env) {
			topic := e.Topic("NORMAL", 4)
			queues := e.route(topic)
			require.Len(e, queues, 4)
			for i, queue := range queues {
				require.Equal(e, topic, queue.GetTopic().GetName())
				require.EqualValues(e, i, queue.GetId())
				require.Equal(e, v2.Permission_READ_WRITE, queue.GetPermission())
				require.Equal(e, []v2.MessageType{v2.MessageType_NORMAL}, queue.GetAcceptMessageTypes())
				require.EqualValues(e, 0, queue.GetBroker().GetId())
				require.NotEmpty(e, queue.GetBroker().GetEndpoints().GetAddresses())
			}
		}},
		{"RT2", "a topic of another type accepts that type alone", Equal, func(e *Env) {
			for name, kind := range map[string]v2.MessageType{
				"FIFO": v2.MessageType_FIFO, "DELAY": v2.MessageType_DELAY,
				"TRANSACTION": v2.MessageType_TRANSACTION, "PRIORITY": v2.MessageType_PRIORITY,
			} {
				for _, queue := range e.route(e.Topic(name, 2)) {
					require.Equal(e, []v2.MessageType{kind}, queue.GetAcceptMessageTypes())
				}
			}
		}},
		{"RT3", "a missing topic is TOPIC_NOT_FOUND", Equal, func(e *Env) {
			require.Equal(e, v2.Code_TOPIC_NOT_FOUND, e.Client().Route(e.Name("missing")).GetStatus().GetCode())
		}},
		{"RT4", "a topic that is blank, ill-spelt or of 128 characters is ILLEGAL_TOPIC", Equal, func(e *Env) {
			illegalTopics(e, "", " ", "a b", "a.b", strings.Repeat("a", 128))
		}},
		{"RT5", "a system topic is ILLEGAL_TOPIC", Equal, func(e *Env) {
			illegalTopics(e, "TBW102", "rmq_sys_x", "SCHEDULE_TOPIC_XXXX")
		}},
		{"RT5b", "a topic with the name of the cluster", Either, func(e *Env) {
			sawOne(e, e.Client().Route("DefaultCluster").GetStatus().GetCode(), map[v2.Code]string{
				v2.Code_ILLEGAL_TOPIC: "illegal topic",
				v2.Code_OK:            "routed",
			})
		}},
		{"RT6", "a route needs no endpoints in the request", Equal, func(e *Env) {
			topic, c := e.Topic("NORMAL", 4), e.Client()
			ctx, cancel := c.short()
			defer cancel()
			resp, err := c.rpc.QueryRoute(ctx, &v2.QueryRouteRequest{Topic: resource(topic)})
			require.NoError(e, err)
			require.Equal(e, v2.Code_OK, resp.GetStatus().GetCode())
		}},
		{"RT7", "the queues of a read-only topic are to read", Equal, func(e *Env) {
			queues := e.route(e.readOnlyTopic())
			require.Len(e, queues, 4)
			for _, queue := range queues {
				require.Equal(e, v2.Permission_READ, queue.GetPermission())
			}
		}},
		{"RT8", "a topic without a message type is NORMAL", Equal, func(e *Env) {
			for _, queue := range e.route(e.TopicOf(target.Topic{Queues: 2})) {
				require.Equal(e, []v2.MessageType{v2.MessageType_NORMAL}, queue.GetAcceptMessageTypes())
			}
		}},
		{"RT9", "a topic of type MIXED accepts all types but PRIORITY and LITE", Equal, func(e *Env) {
			for _, queue := range e.route(e.Topic("MIXED", 2)) {
				require.Equal(e, []v2.MessageType{
					v2.MessageType_NORMAL, v2.MessageType_FIFO, v2.MessageType_DELAY, v2.MessageType_TRANSACTION,
				}, queue.GetAcceptMessageTypes())
			}
		}},
	}
}

func assignmentRows() []Row {
	return []Row{
		{"AS1", "a group that is not ordered is assigned one queue, -1", Equal, func(e *Env) {
			require.Equal(e, []int32{-1}, e.assigned(e.Group(), e.Topic("NORMAL", 4)))
		}},
		{"AS2", "an ordered group is assigned each queue", Equal, func(e *Env) {
			require.Equal(e, []int32{0, 1, 2, 3}, e.assigned(e.OrderedGroup(), e.Topic("FIFO", 4)))
		}},
		{"AS3", "an unknown group is assigned one queue, -1", Equal, func(e *Env) {
			require.Equal(e, []int32{-1}, e.assigned(e.Name("unknown"), e.Topic("NORMAL", 4)))
		}},
		{"AS4", "a system group is ILLEGAL_CONSUMER_GROUP", Equal, func(e *Env) {
			resp := e.Client().Assignment("CID_RMQ_SYS_X", e.Topic("NORMAL", 4))
			require.Equal(e, v2.Code_ILLEGAL_CONSUMER_GROUP, resp.GetStatus().GetCode())
		}},
	}
}

// route returns the topic's queues, in the order of the answer.
func (e *Env) route(topic string) []*v2.MessageQueue {
	resp := e.Client().Route(topic)
	require.Equal(e, v2.Code_OK, resp.GetStatus().GetCode(), "status of the route: %v", resp.GetStatus())
	return resp.GetMessageQueues()
}

// assigned returns the ids of the queues assigned to the group.
func (e *Env) assigned(group, topic string) []int32 {
	resp := e.Client().Assignment(group, topic)
	require.Equal(e, v2.Code_OK, resp.GetStatus().GetCode(), "status of the assignment: %v", resp.GetStatus())
	var ids []int32
	for _, assignment := range resp.GetAssignments() {
		ids = append(ids, assignment.GetMessageQueue().GetId())
	}
	return ids
}

func illegalTopics(e *Env, topics ...string) {
	for _, topic := range topics {
		require.Equal(e, v2.Code_ILLEGAL_TOPIC, e.Client().Route(topic).GetStatus().GetCode(), "topic %q", topic)
	}
}

// readOnlyTopic creates a topic that cannot be written and returns its name.
func (e *Env) readOnlyTopic() string {
	return e.TopicOf(target.Topic{Type: "NORMAL", Queues: 4, Perm: admin.PermRead})
}
