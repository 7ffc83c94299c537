package client

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

const (
	// DefaultMaxAttempts is how often a message is tried unless [WithMaxAttempts] says otherwise.
	DefaultMaxAttempts = 3
	// DefaultWindow is how many messages of [Producer.SendAsync] may be under way unless [WithWindow]
	// says otherwise.
	DefaultWindow = 1024
	// DefaultSenders is how many requests are made at once for messages that had to wait unless
	// [WithSenders] says otherwise.
	DefaultSenders = 32
	// DefaultMaxDelay is how far ahead a delivery time may be unless [WithMaxDelay] says otherwise. It
	// is the default of the server.
	DefaultMaxDelay = 24 * time.Hour
)

// ProducerOption adjusts a [Producer].
type ProducerOption func(*producerConfig)

type producerConfig struct {
	topics      []string
	maxAttempts int
	window      int
	senders     int
	maxDelay    time.Duration
	compression *int // nil: none
	linger      time.Duration
	unbatched   bool
	checker     func(context.Context, *Message) Resolution
	checks      bool // a checker was given, if nil
}

func newProducerConfig(opts []ProducerOption) (producerConfig, error) {
	c := producerConfig{
		maxAttempts: DefaultMaxAttempts, window: DefaultWindow, senders: DefaultSenders, maxDelay: DefaultMaxDelay,
	}
	for _, opt := range opts {
		opt(&c)
	}
	return c, c.validate()
}

// WithTopics names topics to which the producer will send, which it then tells the server with its
// first message to any of them. The default is none: a topic becomes known when it is first sent to.
// A name that cannot be one fails at [Client.NewProducer].
func WithTopics(topics ...string) ProducerOption {
	return func(c *producerConfig) { c.topics = append(c.topics, topics...) }
}

// WithMaxAttempts sets how often a message is tried in all, where a failure does not speak against
// trying again. The default is [DefaultMaxAttempts]; the least is 1. A message whose first attempt
// was stored without an answer is stored twice: the price of not losing it.
func WithMaxAttempts(n int) ProducerOption {
	return func(c *producerConfig) { c.maxAttempts = n }
}

// WithWindow bounds how many messages of [Producer.SendAsync] may be under way, waiting ones
// included. The default is [DefaultWindow]; the least is 1. Their bodies are what it costs in memory.
func WithWindow(messages int) ProducerOption {
	return func(c *producerConfig) { c.window = messages }
}

// WithSenders sets how many requests are made at once for messages that had to wait: all those of
// [Producer.SendAsync], and those of [Producer.Send] that go together. The default is
// [DefaultSenders]; the least is 1.
func WithSenders(n int) ProducerOption {
	return func(c *producerConfig) { c.senders = n }
}

// WithMaxDelay says how far ahead a delivery time may be, for a server whose limit is not the default,
// [DefaultMaxDelay]. It must be positive. The server checks again, and has the last word.
func WithMaxDelay(d time.Duration) ProducerOption {
	return func(c *producerConfig) { c.maxDelay = d }
}

func (c *producerConfig) validate() error {
	var faults []error
	report := func(bad bool, option, problem string) {
		if bad {
			faults = append(faults, &OptionError{option, problem})
		}
	}
	const atLeastOne = "must be at least 1"
	report(c.maxAttempts < 1, "WithMaxAttempts", atLeastOne)
	report(c.window < 1, "WithWindow", atLeastOne)
	report(c.senders < 1, "WithSenders", atLeastOne)
	report(c.maxDelay <= 0, "WithMaxDelay", "must be positive")
	report(c.compression != nil && *c.compression < 1, "WithCompression", atLeastOne)
	report(c.linger < 0, "WithLinger", "must not be negative")
	report(c.linger > 0 && c.unbatched, "WithLinger", "excludes WithoutBatching: there is nothing to wait for")
	report(c.checks && c.checker == nil, "WithTransactionChecker", "the checker is nil")
	for _, topic := range c.topics {
		faults = append(faults, checkTopic(topic))
	}
	return errors.Join(faults...)
}

// A Producer sends messages. It is safe for concurrent use, and must be closed, by itself or with its
// Client.
type Producer struct {
	cfg      producerConfig
	client   *Client
	member   *member
	settings atomic.Pointer[producerSettings] // stored by the sessions

	publications sync.Map // topic name to *publication
	outbox       outbox
	window       window
	compressor   compressor

	mu      sync.Mutex // guards what follows
	closed  bool
	pending sync.WaitGroup // calls under way; no Add once closed is set
	done    chan struct{}  // closed when Close is through

	work   context.Context // ended by Close when nothing is under way, or it has waited long enough
	giveUp context.CancelCauseFunc

	early sync.WaitGroup // the goroutines of announceEarly; no Go once closed is set
}

// A publication is a topic that the producer has sent to.
type publication struct {
	resource *v2.Resource // shared by all messages
	route    *topicRoute
	next     atomic.Uint32 // counts the sends, to spread them over the queues
	sendLanes
}

// NewProducer returns a producer. It sends nothing before the first message, unless it is to answer for
// transactions; see [WithTransactionChecker]. It fails with an [*OptionError] or [*ArgumentError] for
// all that is wrong with its options, and with [ErrClosed] if the client is closed.
func (c *Client) NewProducer(opts ...ProducerOption) (*Producer, error) {
	cfg, err := newProducerConfig(opts)
	if err != nil {
		return nil, err
	}
	p := &Producer{cfg: cfg, client: c, member: c.newMember(v2.ClientType_PRODUCER), done: make(chan struct{})}
	p.work, p.giveUp = context.WithCancelCause(context.Background())
	p.settings.Store(defaultProducerSettings())
	p.member.describe = p.describe
	p.member.adopt = func(s *v2.Settings) { p.settings.Store(producerSettingsOf(s)) }
	if cfg.checker != nil {
		p.member.commands.recover = p.check
	}
	if cfg.compression != nil {
		p.compressor.threshold = *cfg.compression
	}
	p.outbox.init(p)
	p.window.slots = make(chan struct{}, cfg.window)
	if err := c.join(p.member, p.Close); err != nil {
		return nil, err
	}
	if cfg.checker != nil {
		p.announceEarly()
	}
	return p, nil
}

// describe announces the topics named at the start and those in use, so that the server knows whom to
// ask about them.
func (p *Producer) describe(s *v2.Settings) {
	topics := make(map[string]bool)
	for _, topic := range p.cfg.topics {
		topics[topic] = true
	}
	p.publications.Range(func(topic, _ any) bool {
		topics[topic.(string)] = true
		return true
	})
	pub := &v2.Publishing{ValidateMessageType: true}
	for topic := range topics {
		pub.Topics = append(pub.Topics, p.client.resource(topic))
	}
	s.PubSub = &v2.Settings_Publishing{Publishing: pub}
	s.BackoffPolicy = &v2.RetryPolicy{
		MaxAttempts: int32(min(p.cfg.maxAttempts, math.MaxInt32)),
		Strategy:    &v2.RetryPolicy_ExponentialBackoff{ExponentialBackoff: &v2.ExponentialBackoff{}},
	}
}

// publication returns what is known of a topic. The first time, it queries the route and exchanges
// settings with the servers of it.
func (p *Producer) publication(ctx context.Context, topic string) (*publication, error) {
	if known, ok := p.publications.Load(topic); ok {
		return known.(*publication), nil
	}
	if err := checkTopic(topic); err != nil {
		return nil, err
	}
	ctx, stop := either(ctx, p.work)
	defer stop()
	r, current, err := p.client.routes.get(ctx, topic)
	if err != nil {
		return nil, err
	}
	fresh := &publication{resource: p.client.resource(topic), route: r, sendLanes: p.outbox.lanes()}
	fresh.next.Store(randomStart())
	stored, _ := p.publications.LoadOrStore(topic, fresh)
	known := stored.(*publication)
	p.member.use(known.route) // which is what sends go by, and so must be the one that is refreshed
	p.awaitSettings(ctx, current)
	return known, nil
}

// awaitSettings waits until one server of the route has said what it takes. Sending does not depend
// on it, so after the request timeout, or if the first answer is a refusal, the defaults must do.
func (p *Producer) awaitSettings(ctx context.Context, r *route) {
	ctx, cancel := context.WithTimeout(ctx, p.client.timeout)
	defer cancel()
	for _, c := range r.conns {
		if s := p.member.session(c); s != nil && s.await(ctx) == nil {
			return
		}
	}
}

// begin registers a call, which Close then waits for.
func (p *Producer) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return closedError("producer")
	}
	p.pending.Add(1)
	return nil
}

// Close refuses further messages, waits for those under way, and takes leave of the servers. What has
// not been stored after the request timeout is not tried again; its calls and callbacks get
// [ErrClosed]. Calling Close again waits for the first call.
func (p *Producer) Close() error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	if !first {
		<-p.done
		return nil
	}
	patience := time.AfterFunc(p.client.timeout, func() { p.giveUp(closedError("producer")) })
	p.outbox.hurry()
	p.pending.Wait()
	patience.Stop()
	p.giveUp(nil)
	p.outbox.stop()
	p.early.Wait()
	p.member.close()
	close(p.done)
	return nil
}
