package broker_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rocketflow-io/rocketflow/broker"
)

func making(t *testing.T, test func(r *rig), fifo ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(newRig(t, broker.Options{InMemory: true, AutoCreate: true, FIFOGroups: fifo}))
	})
}

func TestAutoCreate_MakesATopicOfEightQueuesForAllButLite(t *testing.T) {
	making(t, func(r *rig) {
		st, queues := r.route("new")
		r.Equal(v2.Code_OK, st.GetCode())
		r.Len(queues, 8)
		r.Equal([]v2.MessageType{
			v2.MessageType_NORMAL, v2.MessageType_FIFO, v2.MessageType_DELAY, v2.MessageType_TRANSACTION, v2.MessageType_PRIORITY,
		}, queues[0].GetAcceptMessageTypes())
		r.Equal([]broker.Topic{{Name: "new", Queues: 8, Type: broker.Any}}, r.broker.Topics())
		r.Equal("ANY", broker.Any.String())
		st, _ = r.route("%RETRY%G_new")
		r.Equal(v2.Code_TOPIC_NOT_FOUND, st.GetCode())
	})
}

func TestAutoCreate_TakesMessagesOfAllTypesButLite(t *testing.T) {
	making(t, func(r *rig) {
		later := func(m *v2.Message) {
			m.SystemProperties.DeliveryTimestamp = timestamppb.New(time.Now().Add(time.Minute))
		}
		transaction := func(m *v2.Message) { m.SystemProperties.MessageType = v2.MessageType_TRANSACTION }
		lite := func(m *v2.Message) { m.SystemProperties.LiteTopic = new("l") }
		for want, change := range map[v2.MessageType]func(*v2.Message){
			v2.MessageType_NORMAL: func(*v2.Message) {}, v2.MessageType_FIFO: withGroup("g"), v2.MessageType_DELAY: later,
			v2.MessageType_TRANSACTION: transaction, v2.MessageType_PRIORITY: withPriority(3),
		} {
			r.send("new", want.String(), change)
		}
		m := message("new", "lite", "lite")
		lite(m)
		answer, err := r.stub.SendMessage(r.ctx, &v2.SendMessageRequest{Messages: []*v2.Message{m}})
		r.NoError(err)
		r.Equal(v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE, answer.GetStatus().GetCode())
		r.Contains(answer.GetStatus().GetMessage(), "the expected type is ANY, but actual type is LITE")
	})
}

// What a program sees that was written for a topic of priorities, or for any other.
func TestAutoCreate_GivesPrioritiesToATopicThatHasThem(t *testing.T) {
	making(t, func(r *rig) {
		_, err := r.tell(r.ctx, consumer("G"))
		r.NoError(err)
		for _, n := range []int32{0, 1, 2, 7, 9, 0, 3} {
			r.send("ranked", strconv.Itoa(int(n)), withPriority(n))
		}
		got, _ := r.pop("G", "ranked")
		r.Equal([]string{"7/1", "9/1", "3/1", "2/1", "1/1", "0/1", "0/1"}, got)

		queues := map[int32]bool{}
		for i := range 16 {
			r.send("plain", strconv.Itoa(i))
		}
		for range 4 {
			_, got := r.pop("G", "plain", batch(1))
			queues[got[0].GetSystemProperties().GetQueueId()] = true
		}
		r.Len(queues, 4, "the queues that are read first")
	})
}

func TestAutoCreate_MakesGroupsOrderedThatAreListed(t *testing.T) {
	making(t, func(r *rig) {
		for group, ordered := range map[string]bool{
			"billing": true, "billing2": false, "mail-fifo": true, "fifo-mail": false, "a1": true, "ab": false,
		} {
			answer, err := r.tell(r.ctx, consumer(group))
			r.NoError(err)
			r.Equal(ordered, answer.GetSettings().GetSubscription().GetFifo(), group)
		}
		r.Equal(broker.DefaultRetryMaxTimes, r.broker.Groups()[0].RetryMaxTimes)
	}, "billing", "*-fifo", "a[0-9]")
}

func TestStart_RefusesPatternsThatAreNone(t *testing.T) {
	_, err := broker.Start(broker.Options{InMemory: true, FIFOGroups: []string{"ok", "a[", "b["}})
	require.ErrorContains(t, err, `group "a[": not a pattern of path.Match`)
	require.ErrorContains(t, err, `group "b["`)
}
