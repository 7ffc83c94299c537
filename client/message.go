package client

import "time"

// Message is a message as it is sent, or as it was received.
//
// A message to be sent is not changed, and may be sent again as another message. Until the call has
// returned, or its callback has been called, its body and maps must not be changed either.
type Message struct {
	Topic string
	Body  []byte // at least one byte, at most what the server allows: 4 MiB unless configured
	Tag   string // to filter by; optional
	// Keys are for finding the message in the server. A key with a space arrives as two.
	Keys []string
	// MessageGroup makes it a FIFO message: those of one group are stored in the order sent, and
	// delivered in it to a FIFO consumer group. At most 63 bytes. Excludes DeliveryTime.
	MessageGroup string
	// DeliveryTime makes it a delayed message, which is delivered then, or up to a second later.
	DeliveryTime time.Time
	// Properties are the application's own: at most 128, in all, with tag and keys, 16 KiB.
	Properties map[string]string
	// TraceContext travels with the message, in the form of the W3C's traceparent header.
	TraceContext string

	// What follows is set on receipt, and ignored when sending.

	ID          string // unique; the same at each delivery
	Attempt     int    // of delivery, from 1; 0 if the server did not say
	BornTime    time.Time
	BornHost    string
	StoreTime   time.Time // of the present attempt: a redelivery is stored anew
	StoreHost   string
	Broker      string // its name
	QueueID     int
	QueueOffset int64

	// Err is nil unless the body is not what was sent: [ErrCorrupted] if it does not match its
	// digest, [ErrUndecodable] if its encoding is unknown or damaged. Body is then as it is stored.
	// Such a message is delivered like any other, so that it can be settled as its consumer sees
	// fit, and is not lost.
	Err error
}

// Receipt says what became of a message that was sent.
type Receipt struct {
	MessageID string // of the message, as its consumers will see it
	// Offset is that of the message in its queue, or -1 where the server does not tell, as for all
	// but the first of a batch. It has no meaning for a message that is delayed.
	Offset   int64
	Endpoint string // that took it
}
