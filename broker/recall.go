package broker

import (
	"encoding/base64"
	"fmt"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// recallHandleOf gives the handle by which a message that waits for its time is recalled.
func recallHandleOf(m *v2.Message) string {
	text := fmt.Sprintf("v1 %s %s %d %s", m.GetTopic().GetName(), brokerName,
		secondOf(deliveryOf(m))+1, m.GetSystemProperties().GetMessageId())
	return base64.URLEncoding.EncodeToString([]byte(text))
}
