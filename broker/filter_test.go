package broker_test

import (
	"fmt"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"

	"github.com/rocketflow-io/rocketflow/broker"
)

func sql(expression string) func(*v2.ReceiveMessageRequest) {
	return func(r *v2.ReceiveMessageRequest) {
		r.FilterExpression = &v2.FilterExpression{Type: v2.FilterType_SQL, Expression: expression}
	}
}

func TestFilter_SelectsByProperties(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "light", property("weight", "1"))
		r.send("N", "heavy", property("weight", "7"))
		seen, _ := r.pop("G", "N", sql("weight > 5"))
		r.Equal([]string{"heavy/1"}, seen)
		seen, _ = r.pop("G", "N") // what was passed over is gone for the group
		r.Empty(seen)
		seen, _ = r.pop("G2", "N", sql("weight < 5"))
		r.Equal([]string{"light/1"}, seen)
	})
}

func TestFilter_LetsWaitWhoWantsNothingOfWhatArrives(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		waiting := r.waiting("G", "N", sql("weight > 5"))
		r.send("N", "light", property("weight", "1"))
		time.Sleep(time.Second)
		r.Empty(waiting)
		r.send("N", "heavy", property("weight", "7"))
		r.Equal([]string{"heavy/1"}, <-waiting)
	})
}

func TestFilter_KnowsWhatTheSystemKnows(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		now := time.Now().UnixMilli()
		for topic, expressions := range map[string][]string{
			"F": {"__SHARDINGKEY = 'g'", "UNIQ_KEY = 'body'", "TAGS = 't'", "KEYS = 'a b'", "PGROUP = 'F'",
				"CLUSTER = 'DefaultCluster'", fmt.Sprintf("BORN_TIMESTAMP = %d", now), "__BORNHOST IS NOT NULL",
				"TRACE_CONTEXT = 'trace'"},
			"D": {fmt.Sprintf("TIMER_DELIVER_MS = %d", now), "__SHARDINGKEY IS NULL", "TAGS IS NULL", "KEYS IS NULL"},
			"P": {"_SYS_MSG_PRIORITY_ = 3", "TRAN_MSG IS NULL"},
			"T": {"TRAN_MSG = TRUE", "__transactionId__ = 'body'", "_SYS_MSG_PRIORITY_ IS NULL", "TIMER_DELIVER_MS IS NULL",
				"TRACE_CONTEXT IS NULL", "__LITE_TOPIC IS NULL"},
		} {
			change := map[string]func(*v2.Message){
				"F": func(m *v2.Message) {
					withGroup("g")(m)
					withTag("t")(m)
					keys("a", "b")(m)
					m.SystemProperties.TraceContext = new("trace")
				},
				"D": deliverIn(0), "P": withPriority(3), "T": inTransaction,
			}[topic]
			r.send(topic, "body", change)
			if topic == "T" {
				r.Equal(v2.Code_OK, r.end("body", commit, byClient))
			}
			for i, expression := range expressions {
				group := fmt.Sprint(topic, i)
				r.NoError(r.broker.CreateGroup(broker.Group{Name: group}))
				seen, _ := r.pop(group, topic, sql(expression))
				r.Equal([]string{"body/1"}, seen, expression)
			}
		}
	})
}
