package broker

import (
	"strconv"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// propertyOf gives a property of a stored message by the name that it has on the server, where
// what the system knows of a message is a property too.
func propertyOf(r record, name string) (string, bool) {
	if value, ok := r.userProperty(name); ok {
		return value, true
	}
	system := r.system()
	switch name {
	case "UNIQ_KEY":
		return textOf(system, fieldMessageID)
	case "TAGS":
		return textOf(system, fieldTag)
	case "KEYS":
		keys := r.keys()
		return strings.Join(keys, " "), len(keys) > 0
	case "__SHARDINGKEY":
		return textOf(system, fieldMessageGroup)
	case "__LITE_TOPIC":
		return textOf(system, fieldLiteTopic)
	case "_SYS_MSG_PRIORITY_":
		return decimal(numberOf(system, fieldPriority))
	case "TIMER_DELIVER_MS":
		return decimal(timeOf(system, fieldDeliveryTimestamp))
	case "TRAN_MSG":
		kind, _ := numberOf(system, fieldMessageType)
		return "true", kind == int64(v2.MessageType_TRANSACTION)
	case "TRACE_CONTEXT":
		value, _ := textOf(system, fieldTraceContext)
		return value, value != ""
	case "BORN_TIMESTAMP":
		return decimal(timeOf(system, fieldBornTimestamp))
	case "__BORNHOST":
		return textOf(system, fieldBornHost)
	case "PGROUP":
		return textOf(bytesOf(r, fieldTopic), 2)
	case "CLUSTER":
		return clusterName, true
	}
	return "", false
}

func decimal(n int64, ok bool) (string, bool) { return strconv.FormatInt(n, 10), ok }
