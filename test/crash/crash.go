package crash

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Options says how to run.
type Options struct {
	Command  string       // the path of rocketflow
	Dir      string       // of the broker
	Kills    int          // how many
	Seed     uint64       // of the moments of the kills, and of what is sent
	Log      *slog.Logger // of the client
	Progress func(Report) // is told from time to time
}

// Report is what a run has seen.
type Report struct {
	Kills      int
	Sent       int // messages that were acknowledged to their producers
	Unanswered int // sends that the kills left without an answer
	Found      int // of these, received all the same
	Received   int // deliveries, to all groups
	Acked      int // of these, acknowledged
	Lost       int // acknowledged to the producer, and not received by a group
	Returned   int // received by a group again that had acknowledged it
	Disordered int // received in another order than sent, or with fewer attempts than before
	Again      int // received again, as they were not acknowledged: duplicates by the rules
	Torn       int // starts at which the end of the log was cut off
	Snapshots  int // that were found after kills
}

// String gives the figures in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d kills, %d sends acknowledged, %d unanswered (%d of them found), %d deliveries, %d acknowledged, "+
		"%d lost, %d returned after acknowledgement, %d out of order, %d duplicates by the rules, %d torn tails, %d snapshots",
		r.Kills, r.Sent, r.Unanswered, r.Found, r.Received, r.Acked, r.Lost, r.Returned, r.Disordered, r.Again, r.Torn, r.Snapshots)
}

// Run kills a broker so many times and returns what was seen, with an error that joins all that was
// wrong.
func Run(ctx context.Context, o Options) (Report, error) {
	book, s := newLedger(readers()), newServer(o)
	err := run(ctx, s, book)
	if err := errors.Join(err, book.problems()); err != nil {
		return s.report(book), fmt.Errorf("crash: %w", err)
	}
	return s.report(book), nil
}

// report is for while there is no broker, or none that says anything.
func (s *server) report(book *ledger) Report {
	report := book.report()
	report.Kills, report.Torn, report.Snapshots = s.kills, s.torn, len(s.snapshots)
	return report
}

func run(ctx context.Context, s *server, book *ledger) (err error) {
	if err := s.start(); err != nil {
		return err
	}
	l, err := startLoad(ctx, s, book)
	if err == nil {
		err = s.outages(ctx, book)
		if err == nil {
			err = l.settle(ctx)
		}
		err = errors.Join(err, l.stop())
	}
	return errors.Join(err, s.end())
}

const (
	// patience bounds what is waited for. It is only reached by a run that fails.
	patience = time.Minute
	// underLoad is for how long at most a broker lives, once it is under load.
	underLoad = 250 * time.Millisecond
)

// outages kills the broker again and again, each time under load, and starts it again.
func (s *server) outages(ctx context.Context, book *ledger) error {
	die := rand.New(rand.NewPCG(s.options.Seed, 0))
	for s.kills < s.options.Kills {
		if err := book.awaitLoad(ctx); err != nil {
			return fmt.Errorf("after %d kills: %w", s.kills, err)
		}
		pass(ctx, time.Duration(die.Int64N(int64(underLoad))))
		err := s.kill()
		book.restarted()
		if s.kills%50 == 0 {
			s.options.Progress(s.report(book))
		}
		if err := errors.Join(err, book.problems(), s.start()); err != nil {
			return fmt.Errorf("after %d kills: %w", s.kills, err)
		}
	}
	return nil
}
