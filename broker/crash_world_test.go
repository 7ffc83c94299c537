package broker_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

// A fault is what is wrong with a broker, so that what it answers can be lost. The zero value is
// nothing.
type fault struct {
	disk  func(journal.FS) journal.FS
	hasty bool // answers do not wait for the disk
}

// A world is one disk through some crashes, and the clients of the brokers that are started on it.
type world struct {
	fault  fault
	die    *rand.Rand
	disk   *crashfs.FS
	kills  bool   // the machine never crashes, only the process, and the disk may be late
	before memory // what the last broker had when it ended
	*ledger
	users []*user
}

// crashes is how often the world of a seed crashes.
const crashes = 6

// crashing lets clients use a broker through some crashes, one after the other, of the machine or of the
// process alone, and tells what is wrong with it.
func crashing(t *testing.T, seed int, f fault) (tried figures, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{fault: f, die: rand.New(rand.NewPCG(uint64(seed), 0)), disk: crashfs.New(), kills: seed%4 == 0 && !f.hasty, ledger: newLedger()}
		for i := range 3 {
			w.users = append(w.users, newUser(w.ledger, fmt.Sprint("user", i), rand.New(rand.NewPCG(uint64(seed), uint64(1+i)))))
		}
		for i := range 2 {
			w.users = append(w.users, newLiteUser(w.ledger, fmt.Sprint("lite", i), rand.New(rand.NewPCG(uint64(seed), uint64(11+i)))))
		}
		err = w.run()
		tried = w.figures
	})
	return tried, err
}

func (w *world) run() error {
	for crash := range crashes {
		switch w.die.IntN(4) {
		case 0:
			w.disk.CrashAfter(w.die.IntN(8)) // in the recovery, or soon after it
		case 1, 2:
			w.disk.CrashAfter(w.die.IntN(400)) // else by the clock alone
		}
		if err := w.during(w.crash()); err != nil {
			return fmt.Errorf("before crash %d: %w", crash+1, err)
		}
		w.figures.crashes++
		if w.kills || w.die.IntN(3) == 0 {
			w.disk = w.disk.Kill()
		} else {
			w.disk = w.disk.Restart(w.die)
		}
		time.Sleep(time.Duration(w.die.IntN(5000)) * time.Millisecond)
	}
	if err := w.during(w.drain()); err != nil {
		return fmt.Errorf("after the last crash: %w", err)
	}
	return w.during(func(l *life) error { w.close(l.broker); return nil })
}

// crash lets all users do something until the machine is down.
func (w *world) crash() func(*life) error {
	return func(l *life) error {
		pace := 1 + w.die.IntN(20_000) // beside what the disk takes, which may be less or more
		down := time.AfterFunc(time.Duration(w.die.IntN(6000))*time.Millisecond, w.disk.Crash)
		defer down.Stop()
		var using sync.WaitGroup
		for _, u := range w.users {
			using.Go(func() {
				for !w.disk.Down() {
					time.Sleep(time.Duration(u.die.IntN(pace)) * time.Microsecond)
					if u.step() != nil {
						time.Sleep(10 * time.Millisecond) // the machine is about to be down
					}
				}
			})
		}
		using.Wait()
		return nil
	}
}

// drain lets nothing wait any more, and receives and settles what is left.
func (w *world) drain() func(*life) error {
	return func(l *life) error {
		for _, u := range w.users {
			if err := u.endAll(as(u.id)); err != nil {
				return err
			}
			u.leave() // it is not heard of any more, and what it holds comes back
		}
		time.Sleep(latest + laterAtMost)
		for _, u := range []*user{newUser(w.ledger, "last", w.die), newLiteUser(w.ledger, "last-lite", w.die)} {
			if err := w.drainBy(u, l); err != nil {
				return err
			}
		}
		return nil
	}
}

func (w *world) drainBy(u *user, l *life) error {
	ctx := as(u.id)
	for range 1000 {
		if err := u.reach(l); err != nil { // for so long it would be forgotten
			return err
		}
		left := int64(0)
		for _, r := range u.readings {
			if err := errors.Join(u.receive(ctx, r), u.acknowledge(ctx, r, u.drop(func(*delivery) bool { return true }))); err != nil {
				return err
			}
			stats, err := l.broker.GroupStats(r.group)
			if err != nil {
				return err
			}
			left += stats.Topics[r.topic].Backlog
		}
		u.leave()
		if left == 0 {
			return nil
		}
	}
	return fmt.Errorf("there is no end of what is to be received: %v", l.broker.Unsettled())
}

// A life is one broker, from its start to its end.
type life struct {
	broker *broker.Broker
	conn   *grpc.ClientConn
}

// during starts a broker, compares it with what its clients know, and has it used.
func (w *world) during(use func(*life) error) error {
	b, err := broker.Start(w.options())
	if errors.Is(err, crashfs.ErrCrashed) {
		w.figures.recoveries++
		return nil
	}
	if err != nil {
		return fmt.Errorf("the broker does not start: %w", err)
	}
	synctest.Wait() // what was due meanwhile is delivered
	w.audit(b, w.before)
	l := &life{broker: b}
	if err = w.connect(l); err == nil {
		err = use(l)
	} else if w.disk.Down() {
		err = nil
	}
	w.before = remember(b)
	return errors.Join(w.verdict(), err, l.conn.Close(), unlessCrashed(b.Close()))
}

func unlessCrashed(err error) error {
	if errors.Is(err, crashfs.ErrCrashed) {
		return nil
	}
	return err
}

func (w *world) options() broker.Options {
	opts := broker.Options{
		InMemory: true, Topics: crashTopics, Groups: slices.Concat(crashGroups, w.ownGroups()),
		Limits: broker.Limits{
			MinInvisible: time.Second, MinPolling: 50 * time.Millisecond, RedeliveryDelay: 100 * time.Millisecond,
			TransactionTimeout: time.Second, TransactionCheckInterval: 3 * time.Second, TransactionMaxChecks: 1000, TransactionExpiry: time.Hour,
		},
		Recall: true, Pull: true,
	}
	files := slow(w.disk, time.Duration(w.die.IntN(10_000))*time.Microsecond)
	if w.fault.disk != nil {
		files = w.fault.disk(files)
	}
	if w.kills || w.fault.hasty {
		opts.SyncEvery = time.Duration(1+w.die.IntN(1000)) * time.Millisecond
	}
	// So that there are segments and snapshots all the time.
	broker.OnJournal(&opts, journal.Options{FS: files, SegmentSize: 1 + w.die.Int64N(20_000), CompactAfter: 1 + w.die.Int64N(50_000)})
	return opts
}

// ownGroups gives the groups in which users pull.
func (w *world) ownGroups() (all []broker.Group) {
	for _, u := range w.users {
		all = append(all, broker.Group{Name: u.id})
	}
	return all
}

// connect lets all users reach the broker, and makes them known to it.
func (w *world) connect(l *life) (err error) {
	l.conn, err = grpc.NewClient("passthrough:///"+l.broker.Endpoint(),
		grpc.WithContextDialer(l.broker.Dialer()), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	for _, u := range w.users {
		if err := u.reach(l); err != nil {
			return err
		}
	}
	return nil
}

// order gives the ids in a queue, or in a lite topic, as they are when it is asked first.
func (l *life) order() func(topic, lane string) []string {
	seen := make(map[string]map[string][]string)
	return func(topic, lane string) []string {
		if seen[topic] == nil {
			seen[topic] = make(map[string][]string)
			for _, m := range l.broker.Messages(topic) {
				lane := fmt.Sprint(m.Queue)
				if m.LiteTopic != "" && topic == crashLite {
					lane = m.LiteTopic
				}
				seen[topic][lane] = append(seen[topic][lane], m.ID)
			}
		}
		return seen[topic][lane]
	}
}
