package broker

import (
	"fmt"
	"slices"
)

// Quirk names a defect of the server, which [Options].Quirks switches on. Without it the broker does
// what was meant. What code meets on a server are those of its mode: [LocalQuirks] or
// [ClusterQuirks]. Where a quirk says that a request fails, the answer is INTERNAL_SERVER_ERROR.
type Quirk string

// What the server does in both modes.
const (
	// QuirkUnknownLanguage breaks the telemetry stream of a client that says to be written in a
	// language that the server does not know by name (x-mq-language), and fails its heartbeats.
	QuirkUnknownLanguage Quirk = "unknown-language"
	// QuirkMissingSettings fails what a client that is not known asks for, which has sent no settings
	// or no heartbeat for too long, where else it is told UNRECOGNIZED_CLIENT_TYPE.
	QuirkMissingSettings Quirk = "missing-settings"
	// QuirkGroupMadeByReceive makes a group, not ordered, that a receive names and that does not exist.
	QuirkGroupMadeByReceive Quirk = "group-made-by-receive"
	// QuirkSplitKeys makes two keys of one with a space in it.
	QuirkSplitKeys Quirk = "split-keys"
	// QuirkEmptyProperty drops properties whose value is empty.
	QuirkEmptyProperty Quirk = "empty-property"
	// QuirkNegativePriority fails a message with a priority below 0, which else is a BAD_REQUEST.
	QuirkNegativePriority Quirk = "negative-priority"
	// QuirkMissingTopicSend refuses a message to a missing topic because of its type.
	QuirkMissingTopicSend Quirk = "missing-topic-send"
	// QuirkBatchEntry answers a request of several messages with one entry, whose id is none of theirs.
	QuirkBatchEntry Quirk = "batch-entry"
	// QuirkBatchQueue stores the messages of a request in one queue, whatever their message groups
	// and priorities.
	QuirkBatchQueue Quirk = "batch-queue"
	// QuirkBatchType looks at the type of the first message of a request alone.
	QuirkBatchType Quirk = "batch-type"
	// QuirkBatchEncoding takes all bodies of a request to be encoded as the first.
	QuirkBatchEncoding Quirk = "batch-encoding"
	// QuirkNoDeadline fails a receive without a deadline.
	QuirkNoDeadline Quirk = "no-deadline"
	// QuirkFilter fails a receive with an SQL expression that cannot be parsed, where else it is told
	// ILLEGAL_FILTER_EXPRESSION.
	QuirkFilter Quirk = "filter"
	// QuirkFilterEnd takes an SQL expression for what it begins with, and ignores what follows, where else
	// it is told that this does not belong to it.
	QuirkFilterEnd Quirk = "filter-end"
	// QuirkLeftOpen takes a producer's word that a transaction is open for the end of it: it cannot be
	// ended any more until the server asks.
	QuirkLeftOpen Quirk = "left-open"
	// QuirkLateEnd says OK to the end of a transaction that comes after the time that its producer named
	// for the recovery, and does nothing.
	QuirkLateEnd Quirk = "late-end"
	// QuirkHandle fails what is asked for with a receipt handle that cannot be read, where else it is
	// told INVALID_RECEIPT_HANDLE.
	QuirkHandle Quirk = "handle"
	// QuirkAckedChange brings a message back that is acknowledged, when its invisible duration is
	// changed. In an ordered group it says OK and does nothing.
	QuirkAckedChange Quirk = "acked-change"
	// QuirkDeadTwice stores another dead letter each time that a message is forwarded.
	QuirkDeadTwice Quirk = "dead-twice"
	// QuirkAckedBehind lets a queue of an ordered group go on from the first message that is not
	// acknowledged, when it is visible again, and what is acknowledged behind that one comes again.
	QuirkAckedBehind Quirk = "acked-behind"
	// QuirkLiteOffset fails a subscription to a lite topic with an offset option that says nothing.
	QuirkLiteOffset Quirk = "lite-offset"
)

// What the server does in LOCAL mode alone.
const (
	// QuirkLostAck loses the acknowledgement of a message whose invisible duration was changed, or
	// extended by the server itself (auto_renew), unless it was the first of its queue in the answer
	// that brought it. The acknowledgement is OK, and the message comes again.
	QuirkLostAck Quirk = "lost-ack"
	// QuirkWrongDeadLetter makes the message that the server has stored first of all the dead letter,
	// when one is forwarded whose invisible duration was changed.
	QuirkWrongDeadLetter Quirk = "wrong-dead-letter"
	// QuirkAttemptReset gives all messages of a queue that an ordered group receives together the
	// attempt of the least delivered, so a message that is joined by new ones again and again never
	// reaches its last.
	QuirkAttemptReset Quirk = "attempt-reset"
	// QuirkMissingTopic fails a receive from a missing topic, and a message to the dead letters of a group
	// that has none.
	QuirkMissingTopic Quirk = "missing-topic"
	// QuirkStackTrace loses the question for a stack trace on its way to the client.
	QuirkStackTrace Quirk = "stack-trace"
	// QuirkNoLite refuses to subscribe to lite topics.
	QuirkNoLite Quirk = "no-lite"
)

// What the server does in CLUSTER mode alone.
const (
	// QuirkClusterTopic gives a route for the name of the cluster, which is a topic of the server's own.
	QuirkClusterTopic Quirk = "cluster-topic"
	// QuirkHandleBroker refuses a receipt handle that names another broker with INVALID_RECEIPT_HANDLE.
	QuirkHandleBroker Quirk = "handle-broker"
	// QuirkGroupMadeBySettings makes a group, not ordered, that settings, a heartbeat or a subscription
	// to lite topics name and that does not exist.
	QuirkGroupMadeBySettings Quirk = "group-made-by-settings"
	// QuirkLiteAttemptReset gives all messages of a lite topic that are received together attempt 1,
	// if one of them is new.
	QuirkLiteAttemptReset Quirk = "lite-attempt-reset"
	// QuirkLiteSuspend counts the first delivery of a message as an attempt though it is suspended.
	QuirkLiteSuspend Quirk = "lite-suspend"
	// QuirkLiteUnnamed says OK to an acknowledgement, or a change of the invisible duration, that
	// does not name the lite topic, and does nothing.
	QuirkLiteUnnamed Quirk = "lite-unnamed"
	// QuirkLiteDeadLetter stores the first message of a lite topic there once more when it becomes a
	// dead letter.
	QuirkLiteDeadLetter Quirk = "lite-dead-letter"
	// QuirkLiteRenewal lets the broker's own extension of a delivery (auto_renew) have no effect.
	QuirkLiteRenewal Quirk = "lite-renewal"
	// QuirkLiteAttempt gives nothing to a receive that repeats an attempt id.
	QuirkLiteAttempt Quirk = "lite-attempt"
	// QuirkLiteTakeover tells a client of an exclusive group that it has lost a lite topic which it
	// subscribes to once more.
	QuirkLiteTakeover Quirk = "lite-takeover"
	// QuirkLiteNews gives a client messages of no more than 100 lite topics in 10 seconds, but for
	// those that arrive while it waits.
	QuirkLiteNews Quirk = "lite-news"
	// QuirkLiteMode lets a client of ordinary topics read the parent of a group of lite topics as any
	// other topic.
	QuirkLiteMode Quirk = "lite-mode"
)

// Quirks lists all quirks, those of both modes first.
func Quirks() []Quirk { return slices.Concat(commonQuirks(), localQuirks(), clusterQuirks()) }

// LocalQuirks lists what a server does in LOCAL mode, where the broker is inside the proxy.
func LocalQuirks() []Quirk { return slices.Concat(commonQuirks(), localQuirks()) }

// ClusterQuirks lists what a server does in CLUSTER mode, where the broker is beside the proxy.
func ClusterQuirks() []Quirk { return slices.Concat(commonQuirks(), clusterQuirks()) }

func commonQuirks() []Quirk {
	return []Quirk{
		QuirkUnknownLanguage, QuirkMissingSettings, QuirkGroupMadeByReceive, QuirkSplitKeys, QuirkEmptyProperty,
		QuirkNegativePriority, QuirkMissingTopicSend, QuirkBatchEntry, QuirkBatchQueue, QuirkBatchType,
		QuirkBatchEncoding, QuirkNoDeadline, QuirkFilter, QuirkFilterEnd, QuirkLeftOpen, QuirkLateEnd,
		QuirkHandle, QuirkAckedChange, QuirkDeadTwice, QuirkAckedBehind, QuirkLiteOffset,
	}
}

func localQuirks() []Quirk {
	return []Quirk{
		QuirkLostAck, QuirkWrongDeadLetter, QuirkAttemptReset, QuirkMissingTopic, QuirkStackTrace, QuirkNoLite,
	}
}

func clusterQuirks() []Quirk {
	return []Quirk{
		QuirkClusterTopic, QuirkHandleBroker, QuirkGroupMadeBySettings, QuirkLiteAttemptReset, QuirkLiteSuspend, QuirkLiteUnnamed,
		QuirkLiteDeadLetter, QuirkLiteRenewal, QuirkLiteAttempt, QuirkLiteTakeover, QuirkLiteNews, QuirkLiteMode,
	}
}

// quirks is those that are switched on. Without any it is nil, which costs a look and no more.
type quirks map[Quirk]bool

func newQuirks(names []Quirk) quirks {
	if len(names) == 0 {
		return nil
	}
	on := make(quirks, len(names))
	for _, name := range names {
		on[name] = true
	}
	return on
}

// checkQuirks fails for a name that no quirk has.
func checkQuirks(names []Quirk) error {
	all := Quirks()
	for _, name := range names {
		if !slices.Contains(all, name) {
			return fmt.Errorf("broker: quirk %q is unknown: want one of %q", name, all)
		}
	}
	return nil
}
