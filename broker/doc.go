// Package broker is a message broker that speaks the protocol of Apache RocketMQ 5: in the
// process, in memory, ready in milliseconds. It is for tests of what produces and consumes, and
// for trying things out. It behaves as the server's proxy does, so that what works here works
// there; where the server loses acknowledgements or answers with its internals, this one does what
// was meant, unless [Options].Quirks switches the defect on.
//
// [Start] gives a [Broker] that listens on a TCP port, for plaintext and TLS alike. With
// [Options].InMemory it listens nowhere: [Broker.Dialer] connects to it, and [Broker.Connect] without
// gRPC's transport between. Such a broker runs inside a bubble of testing/synctest, where hours of
// redelivery, delay and checks pass in milliseconds.
//
// # Delivery
//
// A [Topic] has queues. A [Group] reads every queue from its beginning. A message that is received
// is invisible to the rest of the group for the time that the receiver asked for, and is in flight
// until then. It is settled by an acknowledgement. If none comes in time, it is delivered again 2
// seconds after that, as another attempt; if it has been delivered [Group].RetryMaxTimes+1 times,
// it goes to the topic %DLQ%group instead, the group's dead letters.
//
// A group that is Ordered takes each queue in order. What it has received from a queue blocks the
// queue until all of it is acknowledged, or visible again. Messages of one message group are in
// one queue, in the order in which they were sent.
//
// The filter of a receive, by tags or by an SQL92 expression over the properties of a message, is
// final: what it does not match is skipped for that group for good. Expressions are read as the
// server reads them; one that it cannot parse is refused with ILLEGAL_FILTER_EXPRESSION.
//
// On a topic of type [Priority] each queue is a priority, 0 and up, and a receive begins with the
// highest. Whatever is above the last queue counts as it. Redeliveries come last, and an ordered
// group knows no priorities.
//
// # Later, and perhaps
//
// A message with a delivery time, up to a day ahead, is stored at the end of the second in which
// that time lies, never early. Until then its sender can recall it, if [Options].Recall is set.
//
// A message sent in a transaction is stored once the transaction is committed. The producer ends it
// within 30 seconds of the sending, or when it is asked: every 30 seconds the broker asks one of
// the producers that have named the topic in their settings, over its telemetry stream. After 15
// checks the message goes to the topic TRANS_CHECK_MAX_TIME_TOPIC, which [Broker.Messages] shows.
//
// # Lite topics
//
// A topic of type [Lite] is the parent of any number of lite topics, which messages name. A group
// with a [LiteBinding] to it reads those that its clients subscribe to, each client its own, and
// each lite topic in order: what was received of one blocks it until all of that is acknowledged,
// or visible again. The server does this in its CLUSTER mode alone.
//
// # Commands
//
// Who has the broker can have a client consume a message once more, tell what its threads do, or
// connect anew: see [Broker.VerifyMessage], [Broker.StackTrace] and [Broker.Reconnect].
//
// # Users
//
// With [Options].ACL the broker serves users alone, who sign their requests, and each only as its
// policies allow: see [ACL]. [Broker.SetUser] and [Broker.RemoveUser] change that at any time.
//
// # Faults
//
// A [Fault] lets some calls go wrong, by what they are about, how many there were, by chance or for a
// time: they are answered with a code, delayed, cut off, or lost on the way there or back.
// [Broker.Inject] begins it. [Broker.Freeze] and [Broker.Cut] concern all connections, and
// [Broker.Script] lets all of that happen at set times. [Broker.Calls] tells what was asked and
// answered, and [Broker.Unsettled] what was received and never settled.
//
// # Clusters
//
// [StartCluster] gives several brokers behind one access point, in the process as well: behind
// proxies of which each reaches every broker, or each its own proxy, as the server's modes CLUSTER and
// LOCAL are. Brokers and proxies can be added, removed, stopped and started while clients work.
// Routes are 20 seconds old, as on the server, so some requests still meet a broker that is no more.
//
// # A directory
//
// With [Options].Dir a broker writes down what happens to it, and the next one that is started there
// goes on where it ended, be it closed, killed, or on a machine that failed: with all messages, also
// those that wait for their time or for the end of their transaction, and with all that groups have
// acknowledged and hold. Handles and ids that clients have go on being valid. Time runs on meanwhile:
// what has become due happens at the start. Nobody is told of anything before it would be found again;
// calls at a time share an fsync, and [Options].SyncEvery gives up the promise about the machine for
// speed. An end of what was written that is not whole is cut off, and the Logger told.
//
// Clients have to make themselves known again, as after a restart of the server: their settings and
// their subscriptions to lite topics are not written down, nor are users, faults and the log of calls.
//
// # What is not here
//
// Reading queues by offset is an option, [Options].Pull, since the server has it not. Nothing is
// written to disk without [Options].Dir, and nothing that was stored is dropped unless [Options].Retain
// says so: the memory that a broker takes is the messages sent to it, with a directory too.
package broker
