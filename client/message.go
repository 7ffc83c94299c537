package client

import "time"

// Message is a message as it is sent, or as it was received.
//
// A message to be sent is not changed, and may be sent again as another message. Until the call has
// returned, or its callback has been called, it must not be changed by the caller either.
type Message struct {
	Topic string
	Body  []byte // at least one byte, at most what the server allows: 4 MiB unless configured
	Tag   string // to filter by; optional
	// Keys are for finding the message in the server. A key with a space arrives as two.
	Keys []string

	// What follows, up to Priority, makes the message one of a type, which its topic must take. At
	// most one of them may be set; without any it is a NORMAL message, or one of a [Transaction].

	// MessageGroup makes it a FIFO message: those of one group are stored in the order sent, and
	// delivered in it to a FIFO consumer group. At most 63 bytes.
	MessageGroup string
	// DeliveryTime makes it a delayed message, which is delivered then, or up to about a second
	// later, and can be taken back until then; see [Producer.Recall]. A time that is past means at
	// once. At most [DefaultMaxDelay] from now, or what [WithMaxDelay] says.
	DeliveryTime time.Time
	// LiteTopic makes it a message of a lite topic, which is one of very many inside Topic and
	// needs not be created: at most 64 letters, digits, hyphens and underscores. Its messages are
	// spread over the brokers of Topic, and in order within each.
	LiteTopic string
	// Priority makes it a message with a level: higher ones are delivered first, as far as the
	// topic has queues. Nil is none, and 0 a level: write new(0).
	Priority *int

	// Properties are the application's own: at most 128, in all, with tag and keys, 16 KiB. Some 50
	// names, such as KEYS, are the server's.
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
	// Transactional says that the message was sent in a [Transaction].
	Transactional bool
	// DeadLetter is set on a message of a dead-letter topic, if the server tells what it was.
	DeadLetter *DeadLetterOrigin

	// Err is nil unless the body is not what was sent: [ErrCorrupted] if it does not match its
	// digest, [ErrUndecodable] if its encoding is unknown or damaged. Body is then as it is stored.
	// Such a message is delivered like any other, so that it can be settled as its consumer sees
	// fit, and is not lost.
	Err error
}

// DeadLetterOrigin says of a dead letter which message it was.
type DeadLetterOrigin struct{ Topic, MessageID string }

// Receipt says what became of a message that was sent.
type Receipt struct {
	MessageID string // of the message, as its consumers will see it
	// Offset is that of the message in its queue, or -1 where the server does not tell, as for all
	// but the first of a batch. It has no meaning for a message that is delayed or in a transaction.
	Offset   int64
	Endpoint string // that took it
	// RecallHandle is what [Producer.Recall] takes a delayed message back by. It is empty for every
	// other message, and for one that was due at once.
	RecallHandle string
}
