package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

const (
	noisy      = 0.10 // a spread of a row with itself from which on it is measured again
	maxRepeats = 3
)

// A side is one competitor of a row. Run gives its messages a second.
type side interface {
	Run(ctx context.Context) (float64, error)
	Close() error
}

// A row is one way to use a client, and the competitors' ways to do so.
type row struct {
	name    string
	latency bool // the ratio is of times a message, of which less is better
	shape   string
	bare    string // what the third competitor is called: "bare" if empty
	begin   func(ctx context.Context, s *server, o options) (*sides, error)
}

// sides are the competitors of a row.
type sides struct {
	official, us, bare side
	bareShape          string
	beside             side // one more, if not nil
	besideName         string
}

func (s *sides) close() error {
	errs := []error{s.official.Close(), s.us.Close(), s.bare.Close()}
	if s.beside != nil {
		errs = append(errs, s.beside.Close())
	}
	return errors.Join(errs...)
}

// measure prints the lines of a row, measured again where it was noisy.
func (r *row) measure(ctx context.Context, w io.Writer, embedded bool, o options) error {
	for repeat := 1; ; repeat++ {
		t, err := r.tally(ctx, embedded, o)
		if err != nil {
			return err
		}
		spread := ratio.Spread(t.aa)
		if _, err := io.WriteString(w, t.text(r)); err != nil {
			return err
		}
		if spread <= noisy || repeat == maxRepeats {
			return nil
		}
		if _, err := fmt.Fprintf(w, "# %s-aa spreads by %.0f %%: measured again\n", r.name, 100*spread); err != nil {
			return err
		}
	}
}

// tally measures a row once.
func (r *row) tally(ctx context.Context, embedded bool, o options) (t *tally, err error) {
	s, err := startServer(embedded)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	competitors, err := r.begin(ctx, s, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, competitors.close()) }()
	t = &tally{mode: s.mode, bareShape: competitors.bareShape, besideName: competitors.besideName}
	if err := (&tally{}).round(ctx, competitors); err != nil { // to warm up
		return nil, err
	}
	for i := range o.rounds {
		t.backwards = i%2 == 1
		if err := t.round(ctx, competitors); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// A tally gathers one value of each kind a round.
type tally struct {
	mode, bareShape            string
	besideName                 string
	backwards                  bool      // the present round is
	official, us, bare, beside []float64 // messages a second
	overOfficial, overBare, aa []float64
	overBeside                 []float64
}

// round runs the competitors: official, us, us, bare, or the other way round, so that each ratio is of
// neighbours; and then the one beside them, if there is one.
func (t *tally) round(ctx context.Context, s *sides) error {
	order := []side{s.official, s.us, s.us, s.bare}
	rates := make([]float64, len(order))
	for i := range order {
		at := i
		if t.backwards {
			at = len(order) - 1 - i
		}
		rate, err := runOne(ctx, order[at])
		if err != nil {
			return err
		}
		rates[at] = rate
	}
	if s.beside != nil {
		rate, err := runOne(ctx, s.beside)
		if err != nil {
			return err
		}
		t.beside = append(t.beside, rate)
		t.overBeside = append(t.overBeside, rates[1]/rate)
	}
	t.official, t.us, t.bare = append(t.official, rates[0]), append(t.us, rates[1]), append(t.bare, rates[3])
	t.overOfficial = append(t.overOfficial, rates[1]/rates[0])
	t.aa = append(t.aa, rates[2]/rates[1])
	t.overBare = append(t.overBare, rates[2]/rates[3])
	return nil
}

func runOne(ctx context.Context, s side) (float64, error) {
	runtime.GC()
	return s.Run(ctx)
}

// text is the lines of a row.
func (t *tally) text(r *row) string {
	bare := cmp.Or(r.bare, "bare")
	head := fmt.Sprintf("# %s, %s server: %s; %s: %s; messages a second, medians: official %.0f, us %.0f, %s %.0f",
		r.name, t.mode, r.shape, bare, t.bareShape, ratio.Median(t.official), ratio.Median(t.us), bare, ratio.Median(t.bare))
	if t.besideName != "" {
		head += fmt.Sprintf(", %s %.0f", t.besideName, ratio.Median(t.beside))
	}
	over := t.overOfficial
	if r.latency {
		over = inverted(over)
	}
	lines := head + "\n" + ratio.Line(r.name+"-us-over-official", over, 2) +
		ratio.Line(r.name+"-us-over-"+bare, t.overBare, 2) + ratio.Line(r.name+"-aa", t.aa, 2)
	if t.besideName != "" {
		lines += ratio.Line(r.name+"-us-over-"+t.besideName, t.overBeside, 2)
	}
	return lines
}

func inverted(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = 1 / v
	}
	return out
}
