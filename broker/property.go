package broker

import (
	"strconv"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// propertyOf gives a property of a stored message by the name that it has on the server, where
// what the system knows of a message is a property too.
func propertyOf(m *v2.Message, name string) (string, bool) {
	if value, ok := m.GetUserProperties()[name]; ok {
		return value, true
	}
	sp := m.GetSystemProperties()
	switch name {
	case "UNIQ_KEY":
		return sp.GetMessageId(), true
	case "TAGS":
		return sp.GetTag(), sp.Tag != nil
	case "KEYS":
		return strings.Join(sp.GetKeys(), " "), len(sp.GetKeys()) > 0
	case "__SHARDINGKEY":
		return sp.GetMessageGroup(), sp.MessageGroup != nil
	case "__LITE_TOPIC":
		return sp.GetLiteTopic(), sp.LiteTopic != nil
	case "_SYS_MSG_PRIORITY_":
		return strconv.Itoa(int(sp.GetPriority())), sp.Priority != nil
	case "TIMER_DELIVER_MS":
		return strconv.FormatInt(deliveryOf(m), 10), sp.DeliveryTimestamp != nil
	case "TRAN_MSG":
		return "true", sp.GetMessageType() == v2.MessageType_TRANSACTION
	case "TRACE_CONTEXT":
		return sp.GetTraceContext(), sp.GetTraceContext() != ""
	case "BORN_TIMESTAMP":
		return strconv.FormatInt(sp.GetBornTimestamp().AsTime().UnixMilli(), 10), true
	case "__BORNHOST":
		return sp.GetBornHost(), true
	case "PGROUP":
		return m.GetTopic().GetName(), true
	case "CLUSTER":
		return clusterName, true
	}
	return "", false
}
