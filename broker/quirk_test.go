package broker_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker"
)

// withQuirks runs a test in a bubble, on a broker without quirks and on one with some.
func withQuirks(t *testing.T, quirks []broker.Quirk, test func(r *rig, odd bool)) {
	t.Helper()
	for name, odd := range map[string]bool{"sane": false, "odd": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := standard()
				if odd {
					opts.Quirks = quirks
				}
				r := newRig(t, opts)
				r.register()
				test(r, odd)
			})
		})
	}
}

// either gives what is expected with quirks, or without.
func either[T any](odd bool, withQuirks, without T) T {
	if odd {
		return withQuirks
	}
	return without
}

func TestStart_RefusesAQuirkThatItDoesNotKnow(t *testing.T) {
	_, err := broker.Start(broker.Options{InMemory: true, Quirks: []broker.Quirk{broker.QuirkFilter, "no-such"}})
	require.ErrorContains(t, err, `quirk "no-such" is unknown`)
}

func TestQuirks_AreThoseOfBothModes(t *testing.T) {
	all := broker.Quirks()
	unique := slices.Compact(slices.Sorted(slices.Values(all)))
	require.Len(t, all, len(unique))
	both := slices.Concat(broker.LocalQuirks(), broker.ClusterQuirks())
	require.Equal(t, unique, slices.Compact(slices.Sorted(slices.Values(both))))
}

func TestQuirkFilterEnd_IgnoresWhatFollowsACondition(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkFilterEnd}, func(r *rig, odd bool) {
		r.send("N", "1", property("x", "5"))
		code, got := r.receive(r.request("G", "N", sql("x = 5 ORDER BY x")))
		r.Equal(either(odd, v2.Code_OK, v2.Code_ILLEGAL_FILTER_EXPRESSION), code)
		r.Len(got, either(odd, 1, 0))
	})
}

func TestQuirkLeftOpen_UsesUpTheCallThatEndsATransaction(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkLeftOpen}, func(r *rig, odd bool) {
		r.send("T", "tx", inTransaction)
		r.Equal(v2.Code_OK, r.end("tx", leaveOpen, byClient))
		r.Equal(either(odd, v2.Code_INTERNAL_SERVER_ERROR, v2.Code_OK), r.end("tx", commit, byClient))
		r.Len(r.broker.Messages("T"), either(odd, 0, 1))
	})
}

func TestQuirkLateEnd_SaysOKToAnEndThatHasNoEffect(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkLateEnd}, func(r *rig, odd bool) {
		r.send("T", "tx", recoverAfter(10*time.Second))
		time.Sleep(11 * time.Second)
		r.Equal(either(odd, v2.Code_OK, v2.Code_INTERNAL_SERVER_ERROR), r.end("tx", commit, byClient))
		r.Empty(r.broker.Messages("T"))
	})
}

func TestQuirkLostAck_BringsBackWhatWasNotTheFirstOfItsAnswer(t *testing.T) {
	for name, hold := range map[string]func(r *rig) []string{
		"changed": func(r *rig) []string {
			_, got := r.pop("G", "N")
			var changed []string
			for _, h := range handles(got...) {
				code, next := r.change("G", "N", h, 10*time.Second, false)
				r.Equal(v2.Code_OK, code)
				changed = append(changed, next)
			}
			return changed
		},
		"renewed": func(r *rig) []string {
			_, got := r.pop("G", "N", autoRenew)
			time.Sleep(75 * time.Second)
			return handles(got...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			withQuirks(t, []broker.Quirk{broker.QuirkLostAck}, func(r *rig, odd bool) {
				r.send("N", "a")
				r.send("N", "b")
				held := hold(r)
				r.Equal([]v2.Code{v2.Code_OK, v2.Code_OK}, r.ack("G", "N", held...))
				r.Equal(v2.Code_OK, r.heartbeat("G"))
				want := either(odd, []string{"b/2"}, []string{})
				r.Equal(want, r.later(2*time.Minute, "G", "N"))
			})
		})
	}
}

func TestQuirkLostAck_LetsAForwardedMessageComeBackToo(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkLostAck}, func(r *rig, odd bool) {
		r.send("N", "a")
		r.send("N", "b")
		_, got := r.pop("G", "N")
		_, next := r.change("G", "N", handles(got...)[1], time.Second, false)
		r.Equal(v2.Code_OK, r.forward("G", "N", next))
		r.ack("G", "N", handles(got...)[0])
		r.Len(r.dead("G"), 1)
		r.Equal(either(odd, []string{"b/2"}, []string{}), r.later(time.Minute, "G", "N"))
	})
}

func TestQuirkWrongDeadLetter_TakesTheFirstMessageOfAll(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkWrongDeadLetter}, func(r *rig, odd bool) {
		r.send("N4", "of another topic")
		r.send("N", "one")
		_, got := r.pop("G", "N")
		_, next := r.change("G", "N", handles(got...)[0], 10*time.Second, false)
		r.Equal(v2.Code_OK, r.forward("G", "N", next))
		r.Equal(either(odd, "of another topic", "one"), string(r.dead("G")[0].Body))
		r.Empty(r.later(time.Minute, "G", "N"))
	})
}

func TestQuirkAttemptReset_PutsOffTheLastAttempt(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkAttemptReset}, func(r *rig, odd bool) {
		var all [][]string
		for _, body := range []string{"a", "b", "c"} {
			r.send("F", body, withGroup("g"))
			got, _ := r.pop("ordered-once", "F")
			all = append(all, got)
			time.Sleep(10 * time.Second)
		}
		r.Equal(either(odd,
			[][]string{{"a/1"}, {"a/1", "b/1"}, {"a/1", "b/1", "c/1"}},
			[][]string{{"a/1"}, {"a/2", "b/1"}, {"b/2", "c/1"}}), all)
		got, _ := r.pop("ordered-once", "F")
		r.Equal(either(odd, []string{"a/2", "b/2", "c/2"}, []string{"c/2"}), got)
		time.Sleep(10 * time.Second)
		got, _ = r.pop("ordered-once", "F")
		r.Empty(got)
		r.Len(r.dead("ordered-once"), 3)
	})
}

func TestQuirkAckedBehind_BringsBackWhatIsAcknowledgedBehindAnother(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkAckedBehind}, func(r *rig, odd bool) {
		for _, body := range []string{"a", "b", "c"} {
			r.send("F", body, withGroup("g"))
		}
		_, got := r.pop("O", "F")
		r.ack("O", "F", handles(got[0], got[2])...)
		time.Sleep(10 * time.Second)
		again, _ := r.pop("O", "F")
		r.Equal(either(odd, []string{"b/2", "c/1"}, []string{"b/2"}), again)
	})
}

func TestQuirkAckedChange_BringsBackWhatIsAcknowledged(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkAckedChange}, func(r *rig, odd bool) {
		r.send("N", "one")
		_, got := r.pop("G", "N")
		r.ack("G", "N", handles(got...)...)
		code, next := r.change("G", "N", handles(got...)[0], time.Second, false)
		r.Equal(either(odd, v2.Code_OK, v2.Code_INVALID_RECEIPT_HANDLE), code)
		if odd { // what was brought back can be acknowledged
			code, next = r.change("G", "N", next, time.Second, false)
			r.Equal(v2.Code_OK, code)
		}
		r.Equal(either(odd, []string{"one/2"}, []string{}), r.later(3*time.Second, "G", "N"))
		r.NotEqual(odd, next == "")
	})
}

func TestQuirkAckedChange_DoesNothingInAnOrderedGroup(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkAckedChange}, func(r *rig, odd bool) {
		r.send("F", "one", withGroup("g"))
		_, got := r.pop("O", "F")
		r.ack("O", "F", handles(got...)...)
		code, _ := r.change("O", "F", handles(got...)[0], time.Second, false)
		r.Equal(either(odd, v2.Code_OK, v2.Code_INVALID_RECEIPT_HANDLE), code)
		r.Empty(r.later(time.Minute, "O", "F"))
	})
}

func TestQuirkDeadTwice_StoresADeadLetterForEachCall(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkDeadTwice}, func(r *rig, odd bool) {
		r.send("N", "one")
		_, got := r.pop("G", "N")
		for range 3 {
			r.Equal(v2.Code_OK, r.forward("G", "N", handles(got...)[0]))
		}
		r.Len(r.dead("G"), either(odd, 3, 1))
	})
}

func TestQuirksOfBatches_TakeARequestForOneMessage(t *testing.T) {
	quirks := []broker.Quirk{
		broker.QuirkBatchEntry, broker.QuirkBatchQueue, broker.QuirkBatchEncoding, broker.QuirkBatchType,
		broker.QuirkSplitKeys, broker.QuirkEmptyProperty,
	}
	withQuirks(t, quirks, func(r *rig, odd bool) {
		packed := message("F4", "2", "2")
		withGroup("g")(packed)
		packed.SystemProperties.BodyEncoding = v2.Encoding_GZIP
		packed.SystemProperties.Keys = []string{"a b", "c"}
		packed.UserProperties = map[string]string{"empty": "", "full": "v"}
		first := message("F4", "1", "1")
		withGroup("h")(first)
		code, entries := r.sent(first, packed)
		r.Equal(v2.Code_OK, code)
		r.Len(entries, either(odd, 1, 2))
		r.Equal("1", entries[0].GetTransactionId())
		r.NotEqual(odd, entries[0].GetMessageId() == "1")
		stored := r.broker.Messages("F4")
		r.Len(stored, 2)
		r.Equal(odd, stored[0].Queue == stored[1].Queue)
		second := stored[slices.IndexFunc(stored, func(m broker.Stored) bool { return m.ID == "2" })]
		r.NotEqual(odd, second.Compressed)
		r.Equal(either(odd, []string{"a", "b", "c"}, []string{"a b", "c"}), second.Keys)
		r.Equal(either(odd, map[string]string{"full": "v"}, map[string]string{"empty": "", "full": "v"}), second.Properties)
		r.Equal([]string{"a b", "c"}, packed.GetSystemProperties().GetKeys(), "the request itself does not change")

		code, _ = r.sent(first, message("F4", "3", "3"))
		r.Equal(either(odd, v2.Code_OK, v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE), code)
	})
}

func TestQuirkUnknownLanguage_FailsWhatAClientSaysOfItself(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkUnknownLanguage}, func(r *rig, odd bool) {
		kotlin := metadata.AppendToOutgoingContext(context.Background(), "x-mq-client-id", "client", "x-mq-language", "KOTLIN")
		_, err := r.tell(kotlin, consumer("G"))
		r.Equal(either(odd, codes.Internal, codes.OK), status.Code(err))
		want := either(odd, v2.Code_INTERNAL_SERVER_ERROR, v2.Code_OK)
		beat, err := r.stub.Heartbeat(kotlin, &v2.HeartbeatRequest{Group: resource("G")})
		r.NoError(err)
		r.Equal(want, beat.GetStatus().GetCode())
		end, err := r.stub.NotifyClientTermination(kotlin, &v2.NotifyClientTerminationRequest{Group: resource("G")})
		r.NoError(err)
		r.Equal(want, end.GetStatus().GetCode())
		r.Equal(v2.Code_UNRECOGNIZED_CLIENT_TYPE, r.heartbeat("G"), "the session is over all the same")
	})
}

func TestQuirkGroupMadeBySettings_MakesAnOrdinaryGroup(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkGroupMadeBySettings}, func(r *rig, odd bool) {
		_, err := r.tell(r.ctx, consumer("unheard-of"))
		r.Equal(either(odd, codes.OK, codes.InvalidArgument), status.Code(err))
		r.Equal(odd, slices.ContainsFunc(r.broker.Groups(), func(g broker.Group) bool { return g.Name == "unheard-of" }))
		code, _ := r.receive(r.request("never-heard-of", "N"))
		r.Equal(v2.Code_CONSUMER_GROUP_NOT_FOUND, code)
	})
}

func TestQuirkStackTrace_LetsTheQuestionTimeOut(t *testing.T) {
	withQuirks(t, []broker.Quirk{broker.QuirkStackTrace}, func(r *rig, odd bool) {
		commands := r.obeys("obeys", func(c *v2.TelemetryCommand) *v2.TelemetryCommand {
			nonce, trace := c.GetPrintThreadStackTraceCommand().GetNonce(), "trace"
			return &v2.TelemetryCommand{
				Status:  &v2.Status{Code: v2.Code_OK},
				Command: &v2.TelemetryCommand_ThreadStackTrace{ThreadStackTrace: &v2.ThreadStackTrace{Nonce: nonce, ThreadStackTrace: &trace}},
			}
		})
		start := time.Now()
		_, err := r.broker.StackTrace(r.ctx, "obeys")
		r.Equal(odd, err != nil)
		r.Equal(either(odd, 5*time.Second, 0), time.Since(start))
		r.Len(commands, either(odd, 0, 1))
	})
}
