package broker_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// withRecall runs a test with a broker that lets messages be recalled.
func withRecall(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts := standard()
		opts.Recall = true
		test(newRig(t, opts))
	})
}

// delayed sends a delayed message to topic D and gives its recall handle.
func (r *rig) delayed(id string, ahead time.Duration) string {
	m := message("D", id, id)
	deliverIn(ahead)(m)
	code, entries := r.sent(m)
	r.Equal(v2.Code_OK, code)
	return entries[0].GetRecallHandle()
}

func (r *rig) recall(topic, handle string) *v2.RecallMessageResponse {
	answer, err := r.stub.RecallMessage(r.ctx, &v2.RecallMessageRequest{Topic: resource(topic), RecallHandle: handle})
	r.NoError(err)
	return answer
}

func TestRecall_TakesBackWhatWaits(t *testing.T) {
	withRecall(t, func(r *rig) {
		handle := r.delayed("recalled", time.Minute)
		r.delayed("sibling", time.Minute)
		for range 2 {
			answer := r.recall("D", handle)
			r.Equal(v2.Code_OK, answer.GetStatus().GetCode())
			r.Equal("recalled", answer.GetMessageId())
		}
		time.Sleep(2 * time.Minute)
		stored := r.broker.Messages("D")
		r.Len(stored, 1)
		r.Equal("sibling", stored[0].ID)
	})
}

func TestRecall_KnowsTheServersHandles(t *testing.T) {
	withRecall(t, func(r *rig) {
		text, err := base64.URLEncoding.DecodeString(r.delayed("id", 1500*time.Millisecond))
		r.NoError(err)
		second := time.Now().Add(time.Second).UnixMilli() // the bubble begins at a whole one
		r.Equal(fmt.Sprintf("v1 D broker-a %d id", second+1), string(text))
	})
}

func TestRecall_RefusesHandlesThatCannotBe(t *testing.T) {
	withRecall(t, func(r *rig) {
		at := func(d time.Duration) int64 { return time.Now().Add(d).UnixMilli() }
		for text, want := range map[string]string{
			"":                      "recall handle is invalid",
			"v2 D broker-a 1 id":    "recall handle is invalid",
			"v1 D broker-a 1":       "recall handle is invalid",
			"v1 D broker-a 1 ":      "recall handle is invalid",
			"v1 M broker-a 1 id":    "recall failed, topic not match",
			"v1 D broker-b 1 id":    "recall failed, broker service not available",
			"v1 D broker-a soon id": "recall failed, timestamp invalid",
			fmt.Sprintf("v1 D broker-a %d id", at(0)):                            "recall failed, timestamp invalid",
			fmt.Sprintf("v1 D broker-a %d id", at(72*time.Hour)):                 "recall failed, timestamp invalid",
			fmt.Sprintf("v1 D broker-a %d id", at(72*time.Hour-time.Second)):     "OK",
			fmt.Sprintf("v1 D broker-a %d two words", at(time.Millisecond)):      "OK",
			fmt.Sprintf("v1 D broker-a %d %s", at(time.Millisecond), "\u00ff?>"): "OK",
		} {
			for _, handle := range []string{
				base64.URLEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)),
			} {
				answer := r.recall("D", handle)
				r.Equal(want, answer.GetStatus().GetMessage(), text)
				r.Equal(want == "OK", answer.GetStatus().GetCode() == v2.Code_OK)
			}
		}
		r.Equal("recall handle is invalid", r.recall("D", "!").GetStatus().GetMessage())
		r.Equal(v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE, r.recall("N", "x").GetStatus().GetCode())
		r.Equal(v2.Code_TOPIC_NOT_FOUND, r.recall("X", "x").GetStatus().GetCode())
		r.Equal("recall failed, timestamp invalid",
			r.recall("M", base64.URLEncoding.EncodeToString([]byte("v1 M broker-a 1 id"))).GetStatus().GetMessage())
	})
}

func TestRecall_IsForbiddenUnlessItIsSwitchedOn(t *testing.T) {
	inBubble(t, func(r *rig) {
		handle := r.delayed("id", time.Minute)
		answer := r.recall("D", handle)
		r.Equal(v2.Code_INTERNAL_SERVER_ERROR, answer.GetStatus().GetCode())
		r.True(strings.HasSuffix(answer.GetStatus().GetMessage(), "operation is forbidden"))
		time.Sleep(2 * time.Minute)
		r.Len(r.broker.Messages("D"), 1)
	})
}
