package broker_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rocketflow-io/rocketflow/broker"
)

func TestReceive_GivesWhatWasSent(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		born := timestamppb.New(time.Now().Add(-time.Minute))
		offset := r.send("N", "one", withTag("A"), func(m *v2.Message) {
			m.UserProperties = map[string]string{"k": "v", "empty": ""}
			m.SystemProperties.Keys = []string{"a b", "c"}
			m.SystemProperties.BodyEncoding = v2.Encoding_GZIP
			m.SystemProperties.BodyDigest = &v2.Digest{Type: v2.DigestType_CRC32, Checksum: "wrong"}
			m.SystemProperties.BornTimestamp, m.SystemProperties.BornHost = born, "here"
			m.SystemProperties.TraceContext = new("trace")
			m.SystemProperties.DeliveryAttempt = new(int32(7))
		})
		_, got := r.pop("G", "N")
		r.Len(got, 1)
		r.Equal("one", string(got[0].GetBody()))
		r.Equal(map[string]string{"k": "v", "empty": ""}, got[0].GetUserProperties())
		r.Equal("N", got[0].GetTopic().GetName())
		sp := got[0].GetSystemProperties()
		r.Equal("one", sp.GetMessageId())
		r.Equal("A", sp.GetTag())
		r.Equal([]string{"a b", "c"}, sp.GetKeys())
		r.Equal(v2.Encoding_GZIP, sp.GetBodyEncoding())
		r.Equal(v2.DigestType_MD5, sp.GetBodyDigest().GetType())
		r.Equal("F97C5D29941BFB1B2FDAB0874906AB82", sp.GetBodyDigest().GetChecksum())
		r.Equal(v2.MessageType_NORMAL, sp.GetMessageType())
		r.Equal(born.AsTime(), sp.GetBornTimestamp().AsTime())
		r.Equal("here", sp.GetBornHost())
		r.Equal("trace", sp.GetTraceContext())
		r.EqualValues(1, sp.GetDeliveryAttempt())
		r.EqualValues(offset, sp.GetQueueOffset())
		r.Len(strings.Fields(sp.GetReceiptHandle()), 9)
	})
}

func TestReceive_AnswersStatusMessagesAndTimeInThisOrder(t *testing.T) {
	inBubble(t, func(r *rig) {
		kinds := func(req *v2.ReceiveMessageRequest) string {
			all, err := r.frames(r.ctx, req)
			r.NoError(err)
			var order strings.Builder
			for _, frame := range all {
				switch frame.GetContent().(type) {
				case *v2.ReceiveMessageResponse_Status:
					order.WriteString("S")
				case *v2.ReceiveMessageResponse_Message:
					order.WriteString("M")
				case *v2.ReceiveMessageResponse_DeliveryTimestamp:
					order.WriteString("T")
				}
			}
			return order.String()
		}
		r.Equal("ST", kinds(r.request("G", "N")), "without settings")
		r.register()
		r.send("N", "one")
		r.send("N", "two")
		r.Equal("SMMT", kinds(r.request("G", "N")))
		r.Equal("ST", kinds(r.request("G", "N")), "with nothing there")
		r.Equal("ST", kinds(r.request("G", "a b")), "with an illegal topic")
	})
}

func TestReceive_RefusesWhatTheServerRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*v2.ReceiveMessageRequest)
		code   v2.Code
	}{
		"topic with a blank": {func(r *v2.ReceiveMessageRequest) { r.MessageQueue.Topic.Name = "a b" }, v2.Code_ILLEGAL_TOPIC},
		"no queue":           {func(r *v2.ReceiveMessageRequest) { r.MessageQueue = nil }, v2.Code_ILLEGAL_TOPIC},
		"unknown topic":      {func(r *v2.ReceiveMessageRequest) { r.MessageQueue.Topic.Name = "X" }, v2.Code_TOPIC_NOT_FOUND},
		"unreadable topic":   {func(r *v2.ReceiveMessageRequest) { r.MessageQueue.Topic.Name = "WO" }, v2.Code_FORBIDDEN},
		"system group":       {func(r *v2.ReceiveMessageRequest) { r.Group.Name = "CID_RMQ_SYS_X" }, v2.Code_ILLEGAL_CONSUMER_GROUP},
		"unknown group":      {func(r *v2.ReceiveMessageRequest) { r.Group.Name = "X" }, v2.Code_CONSUMER_GROUP_NOT_FOUND},
		"invisible too short": {func(r *v2.ReceiveMessageRequest) {
			r.InvisibleDuration = durationpb.New(10*time.Second - time.Millisecond)
		}, v2.Code_ILLEGAL_INVISIBLE_TIME},
		"invisible too long": {func(r *v2.ReceiveMessageRequest) {
			r.InvisibleDuration = durationpb.New(12*time.Hour + time.Millisecond)
		}, v2.Code_ILLEGAL_INVISIBLE_TIME},
		"no invisible":        {func(r *v2.ReceiveMessageRequest) { r.InvisibleDuration = nil }, v2.Code_ILLEGAL_INVISIBLE_TIME},
		"bars for a tag":      {tags("||"), v2.Code_ILLEGAL_FILTER_EXPRESSION},
		"empty SQL":           {sql(""), v2.Code_ILLEGAL_FILTER_EXPRESSION},
		"SQL that breaks off": {sql("a >"), v2.Code_ILLEGAL_FILTER_EXPRESSION},
		"negative batch":      {batch(-1), v2.Code_BAD_REQUEST},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.register()
				began := time.Now()
				code, _ := r.receive(r.request("G", "N", test.change))
				r.Equal(test.code, code)
				r.Zero(time.Since(began))
			})
		})
	}
}

func TestReceive_NeedsSettings(t *testing.T) {
	inBubble(t, func(r *rig) {
		code, _ := r.receive(r.request("G", "N"))
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, code)
		all, err := r.frames(context.Background(), r.request("G", "N"))
		r.NoError(err)
		r.Len(all, 1)
		r.Equal(v2.Code_CLIENT_ID_REQUIRED, all[0].GetStatus().GetCode())
	})
}

func TestReceive_WaitsWithinLimits(t *testing.T) {
	none := func(r *v2.ReceiveMessageRequest) { r.LongPollingTimeout = nil }
	tests := map[string]struct {
		deadline time.Duration // 0 for none
		change   func(*v2.ReceiveMessageRequest)
		waits    time.Duration
		code     v2.Code
	}{
		"at least 5 s":                         {30 * time.Second, polling(time.Second), 5 * time.Second, v2.Code_MESSAGE_NOT_FOUND},
		"at most 20 s":                         {70 * time.Second, polling(time.Minute), 20 * time.Second, v2.Code_MESSAGE_NOT_FOUND},
		"up to the deadline":                   {8 * time.Second, polling(time.Minute), 8 * time.Second, v2.Code_MESSAGE_NOT_FOUND},
		"by the deadline, if no time is named": {12 * time.Second, none, 10500 * time.Millisecond, v2.Code_MESSAGE_NOT_FOUND},
		"without a deadline too":               {0, polling(time.Minute), 20 * time.Second, v2.Code_MESSAGE_NOT_FOUND},
		"not, if the deadline is too short":    {3 * time.Second, polling(time.Second), 0, v2.Code_ILLEGAL_POLLING_TIME},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.register()
				ctx, cancel := context.WithCancel(r.ctx)
				if test.deadline > 0 {
					ctx, cancel = context.WithTimeout(r.ctx, test.deadline)
				}
				defer cancel()
				began := time.Now()
				stream, err := r.stub.ReceiveMessage(ctx, r.request("G", "N", test.change))
				r.NoError(err)
				frame, err := stream.Recv()
				r.NoError(err)
				r.Equal(test.code, frame.GetStatus().GetCode())
				r.InDelta(test.waits.Seconds(), time.Since(began).Seconds(), 0.1)
			})
		})
	}
}

func TestReceive_TellsOldClientsOfAShortDeadlineInTheirWords(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		ctx := metadata.AppendToOutgoingContext(context.Background(),
			"x-mq-client-id", "client", "x-mq-client-version", "5.0.2")
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		stream, err := r.stub.ReceiveMessage(ctx, r.request("G", "N"))
		r.NoError(err)
		frame, err := stream.Recv()
		r.NoError(err)
		r.Equal(v2.Code_BAD_REQUEST, frame.GetStatus().GetCode())
	})
}

func TestReceive_BoundsABatch(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for range 40 {
			r.send("N", "x")
		}
		got, _ := r.pop("G", "N", batch(100))
		r.Len(got, 32)
		got, _ = r.pop("G", "N", batch(3))
		r.Len(got, 3)
		got, _ = r.pop("G", "N", batch(0))
		r.Empty(got)

		large := strings.Repeat("x", 100<<10)
		for range 3 {
			r.send("F", large, withGroup("g"))
		}
		r.send("F", strings.Repeat("x", 300<<10), withGroup("g"))
		for _, want := range []int{2, 1, 1} {
			got, _ = r.pop("G", "F")
			r.Len(got, want, "at most 256 KiB, but one message always")
		}
	})
}

func TestReceive_TakesFromAllQueues(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for range 8 {
			r.send("N4", "x")
		}
		_, got := r.pop("G", "N4", func(req *v2.ReceiveMessageRequest) {
			req.MessageQueue.Id = 77
			req.MessageQueue.Broker = &v2.Broker{Name: "elsewhere"}
		})
		perQueue := map[int32]int{}
		for _, m := range got {
			perQueue[m.GetSystemProperties().GetQueueId()]++
		}
		r.Equal(map[int32]int{0: 2, 1: 2, 2: 2, 3: 2}, perQueue)
	})
}

func TestReceive_BeginsAtTheFirstMessageForEachGroup(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		for _, id := range []string{"a", "b", "c"} {
			r.send("N", id)
		}
		for _, group := range []string{"G", "G2"} {
			got, _ := r.pop(group, "N")
			r.Equal([]string{"a/1", "b/1", "c/1"}, got)
		}
	})
}

func TestReceive_FiltersByTagForGood(t *testing.T) {
	tests := map[string]struct {
		expression string
		want       []string
	}{
		"nothing":          {"", []string{"1/1", "2/1", "3/1", "4/1", "5/1"}},
		"a star":           {"*", []string{"1/1", "2/1", "3/1", "4/1", "5/1"}},
		"one tag":          {"A", []string{"1/1"}},
		"two tags":         {"A||B", []string{"1/1", "2/1"}},
		"blanks":           {"  A ||  B", []string{"1/1", "2/1"}},
		"a star among":     {"A || *", []string{"1/1"}},
		"equal hash codes": {"Aa", []string{"4/1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.register()
				r.send("N", "1", withTag("A"))
				r.send("N", "2", withTag("B"))
				r.send("N", "3")
				r.send("N", "4", withTag("Aa"))
				r.send("N", "5", withTag("BB"))
				got, _ := r.pop("G", "N", tags(test.expression))
				r.Equal(test.want, got)
				got, _ = r.pop("G", "N")
				r.Empty(got, "what was skipped once")
				stats, err := r.broker.GroupStats("G")
				r.NoError(err)
				r.EqualValues(5-len(test.want), stats.Filtered)
			})
		})
	}
}

func TestReceive_WakesOneWaiterAnArrival(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		first, second := r.waiting("G", "N"), r.waiting("G", "N")
		began := time.Now()
		r.send("N", "one")
		r.Equal([]string{"one/1"}, <-first, "the earliest deadline is served")
		r.Zero(time.Since(began))
		synctest.Wait()
		r.Empty(second)
		r.Equal([]string{"one/2"}, <-second, "what comes back wakes too")
		r.InDelta(12, time.Since(began).Seconds(), 0.3)
	})
}

func TestReceive_DoesNotWakeForWhatDoesNotMatch(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		a, b := r.waiting("G", "N", tags("A")), r.waiting("G", "N", tags("B"))
		r.send("N", "1", withTag("B"))
		r.Equal([]string{"1/1"}, <-b, "not skipped for the sake of the other")
		synctest.Wait()
		r.Empty(a)
		r.send("N", "2", withTag("A"))
		r.Equal([]string{"2/1"}, <-a)
	})
}

func TestReceive_LosesNothingWhenTheClientGoesWhileItWaits(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		ctx, cancel := context.WithCancel(r.ctx)
		ended := make(chan error, 1)
		go func() {
			_, err := r.frames(ctx, r.request("G", "N"))
			ended <- err
		}()
		synctest.Wait()
		cancel()
		r.Equal(codes.Canceled, status.Code(<-ended))
		r.send("N", "one")
		got, _ := r.pop("G", "N")
		r.Equal([]string{"one/1"}, got)
	})
}

func TestReceive_EndsWhenTheBrokerCloses(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		ended := make(chan error, 1)
		go func() {
			_, err := r.frames(r.ctx, r.request("G", "N"))
			ended <- err
		}()
		synctest.Wait()
		r.NoError(r.broker.Close())
		r.Equal(codes.Unavailable, status.Code(<-ended))
	})
}

func TestReceive_MakesWhatItNamesIfTheBrokerMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, broker.Options{InMemory: true, AutoCreate: true})
		r.register()
		waiter := r.waiting("G", "new")
		r.send("new", "one")
		require.Equal(t, []string{"one/1"}, <-waiter)
		code, _ := r.receive(r.request("G", "%DLQ%G"))
		require.Equal(t, v2.Code_TOPIC_NOT_FOUND, code)
	})
}
