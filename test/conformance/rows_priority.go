package conformance

import (
	"strconv"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func priorityRows() []Row {
	return []Row{
		{"PR1", "the highest priority comes first, all above the last queue as one; each as it was sent", Equal, func(e *Env) {
			topic, group := e.Topic("PRIORITY", 4), e.Group()
			c := e.Consumer(group)
			for _, priority := range []int32{0, 1, 2, 3, 7, 0, 3} {
				c.Store(e.Message(topic, strconv.Itoa(int(priority)), withPriority(priority)))
			}
			e.Indexed(topic, 7)
			messages := c.Take(group, topic, 7)
			require.Equal(e, []string{"3", "7", "3", "2", "1", "0", "0"}, bodiesOf(messages))
			for _, m := range messages {
				require.Equal(e, string(m.GetBody()), strconv.Itoa(int(m.GetSystemProperties().GetPriority())))
				require.Equal(e, v2.MessageType_PRIORITY, m.GetSystemProperties().GetMessageType())
			}
		}},
		{"PR2", "a priority for a NORMAL topic, or none for a PRIORITY one, conflicts", Equal, func(e *Env) {
			c := e.Client()
			require.Equal(e, conflict, c.Code(e.Message(e.Topic("NORMAL", 4), "body", withPriority(0))))
			require.Equal(e, conflict, c.Code(e.Message(e.Topic("PRIORITY", 4), "body")))
		}},
		{"PR3", "what comes again comes after all that is new, whatever its priority", Equal, func(e *Env) {
			topic, group := e.Topic("PRIORITY", 4), e.Group()
			c := e.Consumer(group)
			c.Store(e.Message(topic, "again", withPriority(3)))
			c.Changed(group, topic, c.Take(group, topic, 1)[0], 0)
			e.Sleep(4 * time.Second)
			for range 8 { // on another topic one in five would come after
				c.Store(e.Message(topic, "new", withPriority(0)))
			}
			e.Indexed(topic, 9)
			var bodies []string
			for range 9 {
				bodies = append(bodies, bodiesOf(c.Take(group, topic, 1, atMost(1)))...)
			}
			require.Equal(e, "new new new new new new new new again", strings.Join(bodies, " "))
		}},
		{"PR4", "a message group outweighs a priority", Equal, func(e *Env) {
			topic, group := e.Topic("FIFO", 4), e.Group()
			c := e.Consumer(group)
			c.Store(e.Message(topic, "body", inGroup("g"), withPriority(1)))
			m, _ := c.One(group, topic)
			require.Nil(e, m.GetSystemProperties().Priority)
		}},
		{"PR5", "the messages of one request by priority", Either, func(e *Env) {
			topic, group := e.Topic("PRIORITY", 4), e.Group()
			c := e.Consumer(group)
			require.Equal(e, v2.Code_OK, c.Code(e.Message(topic, "low", withPriority(0)), e.Message(topic, "high", withPriority(3))))
			e.Indexed(topic, 2)
			sawOne(e, strings.Join(bodiesOf(c.Take(group, topic, 2)), " "), map[string]string{
				"high low": "by priority",
				"low high": "as sent",
			})
		}},
	}
}

func withPriority(n int32) messageOption {
	return func(m *v2.Message) {
		m.SystemProperties.Priority = &n
		m.SystemProperties.MessageType = v2.MessageType_PRIORITY
	}
}
