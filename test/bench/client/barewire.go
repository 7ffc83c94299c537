package main

import (
	"net"
	"strconv"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// message is what this client sends: the same fields, an id of the same length, no digest.
func (p *bareProducer) message() *v2.Message {
	const prefix, digits = "01000000000000000000", 14
	id := make([]byte, 0, len(prefix)+digits)
	id = append(id, prefix...)
	n := strconv.AppendUint(nil, p.ids.Add(1)|1<<52, 16) // of 14 digits
	id = append(id, n...)
	return &v2.Message{
		Topic: p.topic,
		Body:  make([]byte, bodySize),
		SystemProperties: &v2.SystemProperties{
			MessageId: string(id), BodyEncoding: v2.Encoding_IDENTITY, MessageType: v2.MessageType_NORMAL,
			BornTimestamp: timestamppb.Now(), BornHost: "bench", QueueId: p.queue.GetId(),
		},
	}
}

// consumerSettings announce a consumer of the topic.
func consumerSettings(kind v2.ClientType, group, topic string) *v2.Settings {
	sub := &v2.Subscription{
		Group: &v2.Resource{Name: group},
		Subscriptions: []*v2.SubscriptionEntry{{
			Topic: &v2.Resource{Name: topic}, Expression: everything(),
		}},
	}
	if kind == v2.ClientType_SIMPLE_CONSUMER {
		sub.LongPollingTimeout = durationpb.New(await)
	}
	return &v2.Settings{
		ClientType: new(kind), PubSub: &v2.Settings_Subscription{Subscription: sub},
		UserAgent: &v2.UA{Language: v2.Language_GOLANG, Version: "5.5.0"},
	}
}

func everything() *v2.FilterExpression {
	return &v2.FilterExpression{Type: v2.FilterType_TAG, Expression: "*"}
}

func receiveRequest(kind v2.ClientType, group string, queue *v2.MessageQueue) *v2.ReceiveMessageRequest {
	q := &v2.ReceiveMessageRequest{
		Group: &v2.Resource{Name: group}, MessageQueue: queue, FilterExpression: everything(),
		BatchSize: pollSize, LongPollingTimeout: durationpb.New(await),
	}
	if kind == v2.ClientType_PUSH_CONSUMER {
		q.AutoRenew = true
	} else {
		q.InvisibleDuration = durationpb.New(lease)
	}
	return q
}

func endpointsOf(address string) *v2.Endpoints {
	host, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text) // what is not a number has no route
	return &v2.Endpoints{Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{{Host: host, Port: int32(port)}}}
}
