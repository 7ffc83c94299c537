// Package client talks to Apache RocketMQ 5 by its gRPC protocol.
//
// A [Client] is made once for a cluster and owns what all share: one connection to each endpoint, the
// routes of topics, the credentials. From it come producers and consumers, which are cheap, and each
// of which the server knows by an id of its own:
//
//   - a [Producer] sends messages: one and wait ([Producer.Send]), many without waiting
//     ([Producer.SendAsync]), many at once ([Producer.SendBatch]), one together with the
//     application's own work ([Producer.BeginTransaction]);
//   - a [SimpleConsumer] asks for messages, and settles them one by one or many at once;
//   - a [PushConsumer] gives messages to a [Handler], several at a time, and settles them by what it
//     returns;
//   - a [LiteSimpleConsumer] and a [LitePushConsumer] do the same for lite topics, of which there may be
//     very many, and subscribe to each by its name.
//
// # Routes and sessions
//
// A client is given an access point. What it needs to know of a topic, the queues and the endpoints
// of their brokers, it asks there when the topic is first named, and again every 30 seconds. To each
// endpoint of its topics a producer or consumer keeps a session: a stream over which both sides tell
// their settings, and heartbeats. A server serves only consumers whose session it knows, so a broken
// session is opened again within two seconds of the server's return. All this happens when it is
// first needed: [New] and the constructors send nothing.
//
// A connection over which two requests in a row have not been answered is replaced, at most every 30
// seconds: new requests and the sessions take a new one, what is under way keeps the old one for 30
// seconds, which is longer than a poll. So is one that its server wants to have replaced. Each endpoint stands for itself: one that is
// slow or gone holds up nothing that goes to others.
//
// # Types of messages
//
// A topic takes messages of one type, for which it was created. What a message is, its fields say: with a
// message group it is FIFO, with a delivery time delayed, with a lite topic or a priority of these
// types, and with none of them NORMAL, or one of a [Transaction]. One that the topic does not take is
// refused with [ErrMessageType]. All limits of the protocol are checked before anything is sent, with
// an [*ArgumentError] that names field, value and limit.
//
// # Leases
//
// A received message is not gone from the server. It is leased to its consumer for an invisible
// duration, and comes again when that is over, unless it has been acknowledged. Messages therefore
// arrive at least once. A lease can be extended, and given back; see [Delivery].
//
// A [PushConsumer] has the server renew leases, unless [WithInvisibleDuration] says how long they are to
// last, and keeps what has arrived within [WithCacheLimit].
//
// # Order
//
// Consumers of a group that was created as FIFO get the messages of a queue in order, as long as they
// settle one before they begin with the next. A [PushConsumer] sees to that: a message that fails is tried
// again in its place, those behind it wait, and when its attempts are used up it goes to the dead letters.
// With [WithFIFOAccelerator] only those of the same message group wait. After a lost lease the messages from
// some point on come again: duplicates are possible, another order is not.
//
// # What is retried
//
// A message is sent again, to another broker if there is one, if the server was out of reach, did not
// answer, was busy or failed; not if it refused the message, nor when its context has ended. A message
// whose answer got lost, or that a server had stored before it gave up on its replicas, is so stored
// twice, under the same [Message.ID]: at least once, here too. [WithMaxAttempts] of 1 turns it off.
// Acknowledgements and changes of leases are repeated likewise. A poll is not: its caller polls again
// anyway, and should wait a little after an error.
//
// # Errors
//
// Every error says what was asked, of whom, why it failed, and what to do. Its kind is tested with
// errors.Is, such as [ErrTopicNotFound]; its facts, such as the code of the server and the id of the
// request, are those of a [*StatusError], [*TransportError] or [*ArgumentError].
//
// # Looking on
//
// Interceptors see each message that is sent, received, handled and settled, and can mark, refuse and
// filter messages ([WithInterceptors]). By OpenTelemetry the client measures itself ([WithMeterProvider])
// and traces messages from their sender to their handlers ([WithTracerProvider]); [WithCollector] sends what is
// measured to where the server wants it. What no call can return is logged ([WithLogger]). Of all this
// nothing happens, and nothing costs, unless it is asked for.
//
// # Closing
//
// [Client.Close] closes what was made from it and returns when every goroutine has ended. Every
// blocking call ends when its context does.
package client
