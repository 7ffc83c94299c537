package client

// LiteSimpleOption adjusts a [LiteSimpleConsumer]. Every [ConsumerOption] is one.
type LiteSimpleOption interface {
	applyLiteSimple(c *simpleConfig, l *liteConfig)
}

// LitePushOption adjusts a [LitePushConsumer]. Every [PushOption] is one.
type LitePushOption interface {
	applyLitePush(c *pushConfig, l *liteConfig)
}

// AnyLiteOption adjusts a consumer of lite topics of either kind.
type AnyLiteOption interface {
	LiteSimpleOption
	LitePushOption
}

// liteConfig is what consumers of lite topics alone can be told.
type liteConfig struct {
	notice func(liteTopic string)
}

type liteOption func(*liteConfig)

func (o liteOption) applyLiteSimple(_ *simpleConfig, l *liteConfig) { o(l) }
func (o liteOption) applyLitePush(_ *pushConfig, l *liteConfig)     { o(l) }

func (o simpleOption) applyLiteSimple(c *simpleConfig, _ *liteConfig) { o.applySimple(c) }
func (o sharedOption) applyLiteSimple(c *simpleConfig, _ *liteConfig) { o.applySimple(c) }
func (o sharedOption) applyLitePush(c *pushConfig, _ *liteConfig)     { o.applyPush(c) }
func (o pushOption) applyLitePush(c *pushConfig, _ *liteConfig)       { o.applyPush(c) }

// asSimple and asPush are options of consumers of lite topics in the shape of those of others, since the
// defaults and the limits are the same.
type (
	asSimple struct {
		LiteSimpleOption
		lite *liteConfig
	}
	asPush struct {
		LitePushOption
		lite *liteConfig
	}
)

func (o asSimple) applySimple(c *simpleConfig) { o.applyLiteSimple(c, o.lite) }
func (o asPush) applyPush(c *pushConfig)       { o.applyLitePush(c, o.lite) }

func newLiteSimpleConfig(opts []LiteSimpleOption) (simpleConfig, liteConfig, error) {
	var l liteConfig
	all := make([]ConsumerOption, len(opts))
	for i, opt := range opts {
		all[i] = asSimple{opt, &l}
	}
	c, err := newSimpleConfig(all)
	return c, l, err
}

func newLitePushConfig(opts []LitePushOption) (pushConfig, liteConfig, error) {
	var l liteConfig
	all := []PushOption{
		WithCacheLimit(DefaultLiteCachedMessages, DefaultCachedBytes),
		WithInvisibleDuration(DefaultLiteInvisibleDuration),
	}
	for _, opt := range opts {
		all = append(all, asPush{opt, &l})
	}
	c, err := newPushConfig(all)
	return c, l, err
}

// WithUnsubscribeNotice has f called with each lite topic that a server takes away: another consumer of an
// exclusive group has subscribed to it. By then the consumer is not subscribed to it any more. The default
// is not to be told; the log says it at level Info. f is called in a goroutine of its own, several at
// once, and must not wait for the consumer to close.
func WithUnsubscribeNotice(f func(liteTopic string)) AnyLiteOption {
	return liteOption(func(l *liteConfig) { l.notice = f })
}
