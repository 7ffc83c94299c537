package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// Defaults of [RocketMQ].
const (
	DefaultInvisible     = 5 * time.Minute
	DefaultPolls         = 8
	DefaultPrefetch      = 512
	DefaultPrefetchBytes = 64 << 20
)

const (
	minInvisible = 10 * time.Second // what servers allow
	maxInvisible = 12 * time.Hour
	maxPoll      = 32 // messages that a server gives at once
)

// RocketMQSource is the messages of a topic for a consumer group, made by [RocketMQ].
type RocketMQSource struct {
	client *client.Client
	topic  string
	group  string
	cfg    rocketMQConfig
}

var (
	_ stage.Source[*client.Message] = (*RocketMQSource)(nil)
	_ stage.SourceDescriber         = (*RocketMQSource)(nil)
)

// RocketMQ receives the messages of a topic for a consumer group. Topic and group must exist. The
// source never ends by itself.
//
// # Leases
//
// A message is received with an invisible duration ([WithInvisible]), which is how long the pipeline
// may hold it. It is acknowledged when all that came of it is safe. A message that fails comes again
// after the group's backoff for its attempt, and goes to the group's dead letters after the group's
// most attempts. One that is handed back, as by a drain, comes again at once, and the attempt does
// not count. An acknowledgement that does not get through is tried again until the lease ends; then
// the pipeline counts it as lost, and the message comes again.
//
// # Groups in order
//
// Of a group that is FIFO in the server the source reads message groups in order: its records are
// keyed by message group. A message that failed waits in the source for its backoff, with those of
// its message group that were handed back behind it, since the server would count an attempt of each
// of them and in the end move messages to the dead letters that nobody has tried. For a wait that
// leaves less than half of the lease they do go back to the server; longer leases make that rarer.
// The source counts failures by message id, and moves a message to the dead letters when they reach
// the group's most attempts; if the server does not take it, the message is tried again after its
// backoff. The count does not survive the run.
//
// # Fetching ahead
//
// Several polls are under way at once ([WithPolls]), while there are messages, and what they bring
// waits for the pipeline ([WithPrefetch]). Of a FIFO group one poll at a time is fetched ahead, since
// what is fetched blocks its queues. What waits when the run ends is handed back.
//
// A message whose body is not what was sent ([client.Message.Err]) is a fault, and goes by the error
// policy of the source's stage.
func RocketMQ(c *client.Client, topic, group string, opts ...RocketMQOption) *RocketMQSource {
	s := &RocketMQSource{client: c, topic: topic, group: group, cfg: rocketMQConfig{
		invisible: DefaultInvisible, polls: DefaultPolls,
		prefetch: DefaultPrefetch, prefetchBytes: DefaultPrefetchBytes,
		log: slog.New(slog.DiscardHandler),
	}}
	for _, opt := range opts {
		opt(&s.cfg)
	}
	return s
}

// RocketMQOption adjusts a [RocketMQ] source.
type RocketMQOption func(*rocketMQConfig)

type rocketMQConfig struct {
	filter        client.Filter
	invisible     time.Duration
	polls         int
	prefetch      int
	prefetchBytes int
	log           *slog.Logger
}

// WithFilter selects messages in the server. What does not match is never delivered to the group. All
// consumers of a group must select the same. The default is all.
func WithFilter(f client.Filter) RocketMQOption { return func(c *rocketMQConfig) { c.filter = f } }

// WithInvisible sets the lease on a message: 10 seconds to 12 hours, else Open fails. The default is
// [DefaultInvisible]. It must last for all that the pipeline does with a message, with waiting,
// retries and windows; when a process dies, it is how long its messages stay away.
func WithInvisible(d time.Duration) RocketMQOption {
	return func(c *rocketMQConfig) { c.invisible = d }
}

// WithPolls sets how many polls may be under way at once; an idle topic is polled by one. The default
// is [DefaultPolls]; below 1 Open fails. A FIFO group is always polled by one.
func WithPolls(n int) RocketMQOption { return func(c *rocketMQConfig) { c.polls = n } }

// WithPrefetch bounds what is fetched and waits for the pipeline, in messages and in bytes of bodies.
// The defaults are [DefaultPrefetch] and [DefaultPrefetchBytes]; below 1 Open fails. The bound in
// bytes can be exceeded by what polls bring that are under way when it is reached.
func WithPrefetch(messages, bytes int) RocketMQOption {
	return func(c *rocketMQConfig) { c.prefetch, c.prefetchBytes = messages, bytes }
}

// WithLogger sets where the source reports polls that fail and are tried again, and messages of a FIFO
// group whose order it keeps by waiting for the end of their lease. The default discards it.
func WithLogger(log *slog.Logger) RocketMQOption { return func(c *rocketMQConfig) { c.log = log } }

// validate reports all faults together.
func (c *rocketMQConfig) validate() error {
	var faults []error
	report := func(bad bool, option, problem string) {
		if bad {
			faults = append(faults, fmt.Errorf("sources: %s: %s", option, problem))
		}
	}
	report(c.invisible < minInvisible || c.invisible > maxInvisible, "WithInvisible",
		fmt.Sprintf("is %v, must be between %v and %v", c.invisible, minInvisible, maxInvisible))
	report(c.polls < 1, "WithPolls", "must be at least 1")
	report(c.prefetch < 1, "WithPrefetch", "must be at least 1 message")
	report(c.prefetchBytes < 1, "WithPrefetch", "must be at least 1 byte")
	report(c.log == nil, "WithLogger", "the logger is nil")
	return errors.Join(faults...)
}

// SourceTraits gives what is known without the server: whether the group is FIFO, and its waits after
// failures, are not.
func (s *RocketMQSource) SourceTraits() stage.SourceTraits {
	return stage.SourceTraits{
		Name: "rocketmq " + s.topic, Lease: s.cfg.invisible, Redelivers: true, UniqueIDs: true, Partitioned: true,
	}
}

// Open asks the server what it lays down for the group, and begins to poll. It fails if the server
// cannot be reached, does not know topic or group, or refuses the credentials; when ctx ends; and if
// an option is at fault.
func (s *RocketMQSource) Open(ctx context.Context) (stage.Reader[*client.Message], error) {
	if err := s.cfg.validate(); err != nil {
		return nil, stage.Permanent(err)
	}
	consumer, err := s.client.NewSimpleConsumer(s.group, map[string]client.Filter{s.topic: s.cfg.filter})
	if err != nil {
		return nil, s.openError(err)
	}
	settings, err := consumer.Settings(ctx)
	if err != nil {
		return nil, s.openError(errors.Join(err, consumer.Close()))
	}
	r := &rocketMQReader{source: s, consumer: consumer, settings: settings, queues: make(queueNames)}
	r.acks = acker{consumer: consumer, settings: settings, failures: make(map[string]failure)}
	r.start()
	return r, nil
}

func (s *RocketMQSource) openError(err error) error {
	err = fmt.Errorf("sources: receive from %q for group %q: %w", s.topic, s.group, err)
	if !client.Temporary(err) {
		return stage.Permanent(err)
	}
	return err
}
