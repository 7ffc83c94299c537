package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
)

// A diary is where a store writes down what happens to it, so that another can be made like it. All
// methods may be called on nil, the diary of a store that is in memory alone.
//
// An event is written under the lock under which it happens, so that the events are in an order in
// which they can be seen: what is found after a crash is the store as it was at one moment.
type diary struct {
	journal *journal.Journal
	logger  *slog.Logger

	// hold is held for reading by whoever changes the store, before any other lock, and for writing
	// while a snapshot begins. It is not taken by one who has it already.
	hold sync.RWMutex

	stop context.CancelFunc // ends compact
	done chan struct{}      // closed when compact has ended
}

// openDiary gives replay all that was written down before, to go on writing behind it.
func openDiary(opts Options, logger *slog.Logger, replay func([]byte) error) (*diary, error) {
	in := opts.journal
	in.SyncEvery = opts.SyncEvery
	j, found, err := journal.Open(opts.Dir, in, replay)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	if torn := found.Torn; torn != nil {
		logger.Warn("broker: the last that was written down is not whole, and cut off",
			"file", torn.File, "offset", torn.Offset, "bytes", torn.Bytes)
	}
	return &diary{journal: j, logger: logger}, nil
}

// start lets the diary be compacted, until close.
func (d *diary) start(s *store) {
	if d == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	d.stop, d.done = stop, make(chan struct{})
	go d.compact(ctx, s)
}

// close writes all that has happened. Nothing may happen any more.
func (d *diary) close() error {
	if d == nil {
		return nil
	}
	if d.stop != nil {
		d.stop()
		<-d.done
	}
	return d.journal.Close()
}

func (d *diary) enter() {
	if d != nil {
		d.hold.RLock()
	}
}

func (d *diary) leave() {
	if d != nil {
		d.hold.RUnlock()
	}
}

// write writes down events that are to be found all or none.
func (d *diary) write(e events) {
	if d != nil {
		d.journal.Append(e)
	}
}

// settled returns when all that has happened so far would be found again after a crash. Nobody is
// told of it before.
func (d *diary) settled(ctx context.Context) error {
	if d == nil {
		return nil
	}
	return d.journal.Wait(ctx, d.journal.Last())
}

// unary is called with each call that has one answer.
func (d *diary) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	return settle(ctx, d, request, handle)
}

// settle gives the answer to a request when what was done for it would be found again after a crash.
func settle[Q, A any](ctx context.Context, d *diary, request Q, handle func(context.Context, Q) (A, error)) (A, error) {
	if d == nil {
		return handle(ctx, request)
	}
	answer, err := held(ctx, d, request, handle)
	if err != nil {
		return answer, err
	}
	if err := d.settled(ctx); err != nil {
		var none A
		return none, unsettledStatus(err)
	}
	return answer, nil
}

func held[Q, A any](ctx context.Context, d *diary, request Q, handle func(context.Context, Q) (A, error)) (A, error) {
	d.enter()
	defer d.leave()
	return handle(ctx, request)
}

// unsettledStatus is what a call ends with whose effects may be lost.
func unsettledStatus(err error) error {
	if ctxErr := status.FromContextError(err); ctxErr.Code() != codes.Unknown {
		return ctxErr.Err()
	}
	return status.Error(codes.Unavailable, err.Error())
}

// compact takes a snapshot of the store whenever the diary has grown too long.
func (d *diary) compact(ctx context.Context, s *store) {
	defer close(d.done)
	for {
		select {
		case <-d.journal.Outgrown():
		case <-ctx.Done():
			return
		}
		if err := d.snapshot(ctx, s); err != nil && !errors.Is(err, context.Canceled) {
			d.logger.Warn("broker: the diary could not be made shorter", "error", err)
		}
	}
}

// snapshot writes the store as it is into the place of what has made it so.
func (d *diary) snapshot(ctx context.Context, s *store) error {
	at, p, err := d.begin(s)
	if err != nil {
		return err
	}
	for e := range p.events() {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, at.Discard())
		}
		if err := at.Append(e); err != nil {
			return at.Discard()
		}
	}
	return at.Commit(ctx)
}

// begin takes a picture of the store while nothing happens.
func (d *diary) begin(s *store) (*journal.Snapshot, picture, error) {
	d.hold.Lock()
	defer d.hold.Unlock()
	at, p, err := d.cut(s)
	if err == nil {
		p.lookAtRest(s)
	}
	return at, p, err
}

// cut lets a snapshot begin. Topics, groups and subscriptions may be made without hold, but under the
// lock of the store.
func (d *diary) cut(s *store) (*journal.Snapshot, picture, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, err := d.journal.Cut()
	if err != nil {
		return nil, picture{}, err
	}
	return at, s.pictureLocked(), nil
}
