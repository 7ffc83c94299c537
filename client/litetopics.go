package client

import (
	"context"
	"maps"
	"math"
	"runtime/debug"
	"slices"
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// defaultLiteTopics is to how many lite topics a consumer may subscribe until the server has said.
const defaultLiteTopics = 2000

// The liteTopics of a consumer are those that it subscribes to, and the bringing in line with them of all
// servers of the parent topic; see liteSync for how.
//
// Rule 1: a server is never told to add what it may have already. With an exclusive group it would take
// the lite topic from all consumers first, this one included, and notify each.
//
// Rule 2: changes, and the telling of all, exclude each other. A list made before a change that arrives
// after it would undo it.
type liteTopics struct {
	liteSync

	notice func(liteTopic string) // of what a server has taken away; nil if nobody wants to know

	mu       sync.Mutex // guards what follows; never held during a call to the server or to the user
	names    map[string]struct{}
	doubtful map[string]struct{} // not in names, but a server may have it
	changing map[string]*liteChange
	adding   int // of those in changing; they count for the quota already
}

// A liteChange is a call that is about one lite topic. There is one at a time.
type liteChange struct {
	over chan struct{} // closed when it is

	// What follows is guarded by liteTopics.mu.
	adds  bool // it counts in adding
	again bool // it adds what is in names: servers are to forget it first
	lost  bool // a server has taken it away in the meantime
}

// newLiteTopics makes k, which is new, a consumer of lite topics.
func newLiteTopics(k *consumer, parent string, notice func(string)) *liteTopics {
	l := &liteTopics{
		liteSync: newLiteSync(k, parent), notice: notice,
		names: make(map[string]struct{}), doubtful: make(map[string]struct{}), changing: make(map[string]*liteChange),
	}
	k.lite = true
	k.member.commands.unsubscribeLite = l.lose
	k.member.acquainted = l.acquaint
	return l
}

// list returns what is subscribed to, sorted.
func (l *liteTopics) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.names))
}

// limits returns to how many lite topics a consumer may subscribe, and how long their names may be.
func (l *liteTopics) limits() (topics, length int) {
	topics, length = defaultLiteTopics, maxLiteTopicLength
	if s := l.consumer.settings.Load(); s != nil {
		if s.LiteTopics > 0 {
			topics = s.LiteTopics
		}
		if s.LiteTopicLength > 0 {
			length = s.LiteTopicLength
		}
	}
	return topics, length
}

// call is what all calls of the user about a lite topic have in common. It ends with the consumer.
func (l *liteTopics) call(ctx context.Context, name string, do func(ctx context.Context) error) error {
	if err := checkLiteTopic(name, math.MaxInt); err != nil { // how long it may be, the server says
		return err
	}
	if err := l.consumer.begin(); err != nil {
		return err
	}
	defer l.consumer.pending.Done()
	ctx, stop := either(ctx, l.consumer.polls)
	defer stop()
	return do(ctx)
}

// subscribe adds a lite topic at all servers, or fails and leaves it unsubscribed.
func (l *liteTopics) subscribe(ctx context.Context, name string, opts []LiteOption) error {
	start, err := newLiteStart(opts)
	if err != nil {
		return err
	}
	return l.call(ctx, name, func(ctx context.Context) error {
		conns, err := l.servers(ctx)
		if err != nil {
			return err
		}
		if _, length := l.limits(); len(name) > length {
			return checkLiteTopic(name, length)
		}
		change, err := l.begin(ctx, name, start)
		if change == nil {
			return err
		}
		err = l.add(ctx, conns, name, change, start)
		if l.end(name, change, err); err != nil {
			// Those that have it are to forget it, as far as they can be reached.
			l.consumer.pending.Go(func() { l.refresh(l.consumer.polls) })
		}
		return err
	})
}

// begin registers the change that adds name, once no other is about it. It returns nil if there is
// nothing to do, or an error.
func (l *liteTopics) begin(ctx context.Context, name string, start *v2.OffsetOption) (*liteChange, error) {
	change, err := l.alone(ctx, name)
	if err != nil {
		return nil, err
	}
	quota, _ := l.limits()
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := l.names[name]
	switch {
	case known && start == nil:
		l.endLocked(name, change)
		return nil, nil
	case known:
		change.again = true
	case len(l.names)+l.adding >= quota:
		l.endLocked(name, change)
		return nil, illegal(ErrQuota, "lite topic", "%q is one too many, the limit is %d: give up others, "+
			"or raise the quota of the group", name, quota)
	default:
		change.adds = true
		l.adding++
	}
	return change, nil
}

// alone registers a change, once no other is about the same lite topic.
func (l *liteTopics) alone(ctx context.Context, name string) (*liteChange, error) {
	for {
		l.mu.Lock()
		other := l.changing[name]
		if other == nil {
			change := &liteChange{over: make(chan struct{})}
			l.changing[name] = change
			l.mu.Unlock()
			return change, nil
		}
		l.mu.Unlock()
		select {
		case <-other.over:
		case <-ctx.Done():
			return nil, l.interrupted(ctx, name)
		}
	}
}

// add makes the change known to servers.
func (l *liteTopics) add(
	ctx context.Context, conns []*conn, name string, change *liteChange, start *v2.OffsetOption,
) error {
	l.mu.Lock()
	_, doubtful := l.doubtful[name]
	l.mu.Unlock()
	if doubtful || change.again { // rule 1
		if err := l.tellAll(ctx, conns, l.wanted, func() {}); err != nil {
			return err
		}
	}
	return l.tellChange(ctx, conns, v2.LiteSubscriptionAction_PARTIAL_ADD, name, start, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.names[name] = struct{}{}
		delete(l.doubtful, name)
		change.again = false
	})
}

// end is the end of a change that was to add a lite topic.
func (l *liteTopics) end(name string, change *liteChange, err error) {
	l.mu.Lock()
	switch {
	case err != nil:
		delete(l.names, name)
		l.doubtful[name] = struct{}{}
	case change.lost:
		delete(l.names, name)
	}
	l.endLocked(name, change)
	l.mu.Unlock()
	if err == nil && change.lost {
		l.notify(name)
	}
}

func (l *liteTopics) endLocked(name string, change *liteChange) {
	if change.adds {
		l.adding--
	}
	delete(l.changing, name)
	close(change.over)
}

// unsubscribe removes a lite topic. After a failure it is removed all the same; servers that did not
// hear it do when they are told everything.
func (l *liteTopics) unsubscribe(ctx context.Context, name string) error {
	return l.call(ctx, name, func(ctx context.Context) error {
		change, err := l.alone(ctx, name)
		if err != nil {
			return err
		}
		defer func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.endLocked(name, change)
		}()
		if !l.remove(name) {
			return nil
		}
		// A server without a session has forgotten everything.
		conns := l.consumer.member.liveConns()
		return l.tellChange(ctx, conns, v2.LiteSubscriptionAction_PARTIAL_REMOVE, name, nil, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.doubtful, name)
		})
	})
}

// remove says whether the lite topic was subscribed to.
func (l *liteTopics) remove(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := l.names[name]
	if known {
		delete(l.names, name)
		l.doubtful[name] = struct{}{}
	}
	return known
}

// wanted is what servers are to have. What is about to be added again they are to forget before.
func (l *liteTopics) wanted() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := make([]string, 0, len(l.names))
	for name := range l.names {
		if change := l.changing[name]; change == nil || !change.again {
			wanted = append(wanted, name)
		}
	}
	return wanted
}

// lose forgets a lite topic that a server has taken away.
func (l *liteTopics) lose(name string) {
	l.mu.Lock()
	if change := l.changing[name]; change != nil && (change.adds || change.again) {
		change.lost = true // and its end sees to it
		l.mu.Unlock()
		return
	}
	_, known := l.names[name]
	delete(l.names, name)
	l.mu.Unlock()
	if known {
		l.notify(name)
	}
}

// notify tells the user that a lite topic was taken away.
func (l *liteTopics) notify(name string) {
	log := l.consumer.client.cfg.log
	log.Info("lite topic taken away by the server", "topic", l.parent, "lite topic", name, "client", l.consumer.member.id)
	if l.notice == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			log.Error("the function of WithUnsubscribeNotice panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	l.notice(name)
}
