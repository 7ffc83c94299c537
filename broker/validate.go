package broker

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"
)

// The server's limits.
const (
	maxTopicLength   = 127
	maxGroupLength   = 120
	maxBodySize      = 4 << 20
	maxProperties    = 128
	maxPropertyBytes = 16384
	maxMessageGroup  = 63 // the server says 64 and means this
	maxLiteTopic     = 64
	maxDelay         = 24 * time.Hour
	maxRecovery      = time.Hour
	maxInvisible     = 12 * time.Hour

	nameCharacters    = "^[%|a-zA-Z0-9_-]+$"
	systemTopicPrefix = "rmq_sys_"
	systemGroupPrefix = "CID_RMQ_SYS_"
)

// isSystemTopic tells of the names that the server keeps to itself.
func isSystemTopic(name string) bool {
	switch name {
	case "TBW102", "SCHEDULE_TOPIC_XXXX", "BenchmarkTest", "RMQ_SYS_TRANS_HALF_TOPIC",
		"RMQ_SYS_TRACE_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC",
		"SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "CHECKPOINT_TOPIC",
		"RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC", "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC",
		clusterName, brokerName, clusterName + "_REPLY_TOPIC":
		return true
	}
	return strings.HasPrefix(name, systemTopicPrefix)
}

// isReserved tells of the keys that user properties may not have.
func isReserved(key string) bool {
	switch key {
	case "TRACE_ON", "MSG_REGION", "KEYS", "TAGS", "WAIT", "DELAY", "RETRY_TOPIC", "ORIGIN_GROUP",
		"REAL_TOPIC", "REAL_QID", "TRAN_MSG", "PGROUP", "MIN_OFFSET", "MAX_OFFSET", "BUYER_ID",
		"ORIGIN_MESSAGE_ID", "TRANSFER_FLAG", "CORRECTION_FLAG", "MQ2_FLAG", "RECONSUME_TIME",
		"UNIQ_KEY", "MAX_RECONSUME_TIMES", "CONSUME_START_TIME", "POP_CK", "POP_CK_OFFSET",
		"1ST_POP_TIME", "TRAN_PREPARED_QUEUE_OFFSET", "DUP_INFO", "EXTEND_UNIQ_INFO", "INSTANCE_ID",
		"CORRELATION_ID", "REPLY_TO_CLIENT", "TTL", "ARRIVE_TIME", "PUSH_REPLY_TIME", "CLUSTER",
		"MSG_TYPE", "INNER_MULTI_QUEUE_OFFSET", "TIMER_DELAY_MS", "TIMER_DELAY_SEC",
		"TIMER_DELIVER_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS", "TIMER_ROLL_TIMES",
		"TIMER_OUT_MS", "TIMER_DEL_UNIQKEY", "TIMER_DELAY_LEVEL", "__BORNHOST", "BORN_TIMESTAMP",
		"DLQ_ORIGIN_TOPIC", "DLQ_ORIGIN_MESSAGE_ID", "__CRC32#", "_SYS_MSG_PRIORITY_", "__LITE_TOPIC":
		return true
	}
	return false
}

// checkTopic refuses a name that no topic of a client may have.
func checkTopic(name string) error {
	const code = v2.Code_ILLEGAL_TOPIC
	switch {
	case isBlank(name):
		return refuse(code, "The specified topic is blank")
	case utf8.RuneCountInString(name) > maxTopicLength:
		return refusef(code, "The specified topic is longer than topic max length %d.", maxTopicLength)
	case !isName(name):
		return refusef(code, "The specified topic[%s] contains illegal characters, allowing only %s", name, nameCharacters)
	case isSystemTopic(name):
		return refuse(code, "cannot access system topic")
	}
	return nil
}

// checkGroup refuses a name that no group of a client may have.
func checkGroup(name string) error {
	const code = v2.Code_ILLEGAL_CONSUMER_GROUP
	switch {
	case isBlank(name):
		return refuse(code, "the specified group is blank")
	case utf8.RuneCountInString(name) > maxGroupLength:
		return refusef(code, "the specified group[%s] is longer than group max length: %d.", name, maxGroupLength)
	case !isName(name):
		return refusef(code, "the specified group[%s] contains illegal characters, allowing only %s", name, nameCharacters)
	case strings.HasPrefix(name, systemGroupPrefix):
		return refuse(code, "cannot use system consumer group")
	}
	return nil
}

// checkTopicAndGroup is the check of all that a consumer asks for.
func checkTopicAndGroup(topic, group *v2.Resource) error {
	if err := checkTopic(topic.GetName()); err != nil {
		return err
	}
	return checkGroup(group.GetName())
}

// checkMessage refuses a message that the server would not store. The order of the checks is the
// server's.
func checkMessage(m *v2.Message, now time.Time) error {
	switch size := len(m.GetBody()); {
	case size == 0:
		return refuse(v2.Code_MESSAGE_BODY_EMPTY, "message body cannot be empty")
	case size > maxBodySize:
		return refusef(v2.Code_MESSAGE_BODY_TOO_LARGE, "message body cannot exceed the max %d", maxBodySize)
	}
	if err := checkProperties(m); err != nil {
		return err
	}
	sp := m.GetSystemProperties()
	if isBlank(sp.GetMessageId()) {
		return refuse(v2.Code_ILLEGAL_MESSAGE_ID, "message id cannot be empty")
	}
	if err := checkTimes(sp, now); err != nil {
		return err
	}
	if sp.Priority != nil && sp.GetPriority() < 0 {
		return under(QuirkNegativePriority, refuse(v2.Code_BAD_REQUEST, "The priority must be greater than or equal to 0"))
	}
	if err := checkMessageGroup(sp); err != nil {
		return err
	}
	if sp.GetLiteTopic() == "" {
		return nil
	}
	return checkLiteTopic(sp.GetLiteTopic())
}

// checkProperties checks user properties, tag and keys.
func checkProperties(m *v2.Message) error {
	const tooLarge, illegal = v2.Code_MESSAGE_PROPERTIES_TOO_LARGE, v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY
	if len(m.GetUserProperties()) > maxProperties {
		return refusef(tooLarge, "too many user properties, max is %d", maxProperties)
	}
	size := 0
	for key, value := range m.GetUserProperties() {
		switch {
		case isReserved(key):
			return refuse(illegal, "property is used by system: "+key)
		case hasControl(key):
			return refuse(illegal, "the key of property cannot contain control character")
		case hasControl(value):
			return refuse(illegal, "the value of property cannot contain control character")
		}
		size += len(key) + len(value)
	}
	sp := m.GetSystemProperties()
	if err := checkTag(sp.GetTag()); err != nil {
		return err
	}
	size += len(sp.GetTag())
	for _, key := range sp.GetKeys() {
		if err := checkKey(key); err != nil {
			return err
		}
		size += len(key)
	}
	if size > maxPropertyBytes {
		return refusef(tooLarge, "the total size of user property is too large, max is %d", maxPropertyBytes)
	}
	return nil
}

// checkTag lets an empty tag pass: it means none.
func checkTag(tag string) error {
	const code = v2.Code_ILLEGAL_MESSAGE_TAG
	switch {
	case tag == "":
	case isBlank(tag):
		return refuse(code, "tag cannot be the char sequence of whitespace")
	case strings.Contains(tag, "|"):
		return refuse(code, "tag cannot contain '|'")
	case hasControl(tag):
		return refuse(code, "tag cannot contain control character")
	}
	return nil
}

func checkKey(key string) error {
	switch {
	case isBlank(key):
		return refuse(v2.Code_ILLEGAL_MESSAGE_KEY, "key cannot be the char sequence of whitespace")
	case hasControl(key):
		return refuse(v2.Code_ILLEGAL_MESSAGE_KEY, "key cannot contain control character")
	}
	return nil
}

func checkTimes(sp *v2.SystemProperties, now time.Time) error {
	if sp.GetMessageType() == v2.MessageType_TRANSACTION &&
		sp.GetOrphanedTransactionRecoveryDuration().AsDuration() > maxRecovery {
		return refusef(v2.Code_BAD_REQUEST, "the max transaction recovery time of message is too large, max is %d",
			int64(maxRecovery.Seconds()))
	}
	if sp.DeliveryTimestamp != nil && sp.GetDeliveryTimestamp().AsTime().Sub(now) > maxDelay {
		return refusef(v2.Code_ILLEGAL_DELIVERY_TIME, "the max delay time of message is too large, max is %d",
			maxDelay.Milliseconds())
	}
	return nil
}

func checkMessageGroup(sp *v2.SystemProperties) error {
	const code = v2.Code_ILLEGAL_MESSAGE_GROUP
	switch group := sp.GetMessageGroup(); {
	case sp.MessageGroup == nil:
	case isBlank(group):
		return refuse(code, "message group cannot be the char sequence of whitespace")
	case len(group) > maxMessageGroup:
		return refusef(code, "message group exceed the max size %d", maxMessageGroup+1)
	case hasControl(group):
		return refuse(code, "message group cannot contain control character")
	}
	return nil
}

// checkLiteTopic refuses a name that no lite topic may have.
func checkLiteTopic(name string) error {
	const code = v2.Code_ILLEGAL_LITE_TOPIC
	switch {
	case isBlank(name):
		return refuse(code, "lite topic cannot be the char sequence of whitespace")
	case len(name) > maxLiteTopic:
		return refusef(code, "lite topic exceed the max size %d", maxLiteTopic)
	case !isName(name) || strings.ContainsAny(name, "%|"):
		return refuse(code, "lite topic can only contain alphanumeric characters, hyphens(-), and underscores(_)")
	}
	return nil
}

// checkInvisible refuses an invisible duration outside of the given least and the server's 12 h.
func checkInvisible(d *durationpb.Duration, least time.Duration) error {
	switch v := d.AsDuration(); {
	case v < least:
		return refusef(v2.Code_ILLEGAL_INVISIBLE_TIME, "the invisibleTime is too small. min is %d", least.Milliseconds())
	case v > maxInvisible:
		return refusef(v2.Code_ILLEGAL_INVISIBLE_TIME, "the invisibleTime is too large. max is %d", maxInvisible.Milliseconds())
	}
	return nil
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// isName tells whether s consists of letters, digits, and of %, |, _ and -.
func isName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return false
		}
		return !strings.ContainsRune("%|_-", r)
	})
}
