package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

// So many calls are under way at once.
const (
	senders   = 8
	receivers = 32
)

// measureThroughput compares what is sent in batches, and received and acknowledged in batches.
func measureThroughput(ctx context.Context, w io.Writer, o options) (err error) {
	ctx = as(ctx, "bench@1")
	servers := map[string]*server{}
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.close())
		}
	}()
	if servers["echo"], err = startOurs("echo"); err != nil {
		return err
	}
	if o.real {
		if servers["real"], err = startReal(ctx); err != nil {
			return err
		}
	}
	if err := compare(ctx, w, o, "send64", servers, sendRate); err != nil {
		return err
	}
	return compare(ctx, w, o, "receive32", servers, receiveRate)
}

// A measurement gives the messages a second of a server.
type measurement func(context.Context, *server, options) (float64, error)

// order is that of a round: each ratio is of neighbours. aa is us again.
func order() []string { return []string{"real", "us", "echo", "aa"} }

// compare measures the broker against each of the servers, and against itself. In each round the
// broker is another one, started for it, so that none has what the rounds before have left there.
func compare(ctx context.Context, w io.Writer, o options, name string, servers map[string]*server, measure measurement) error {
	rates, over := map[string][]float64{}, map[string][]float64{}
	for i := range o.rounds + 1 {
		round := map[string]float64{}
		for _, who := range order() {
			s, ok := servers[who]
			if !ok && who == "real" {
				continue
			}
			r, err := measureOne(ctx, s, o, measure)
			if err != nil {
				return fmt.Errorf("%s of %s: %w", name, who, err)
			}
			round[who] = r
		}
		if i == 0 { // to warm up
			continue
		}
		for who, r := range round {
			rates[who] = append(rates[who], r)
			over[who] = append(over[who], round["us"]/r)
		}
	}
	return report(w, name, rates, over)
}

// report prints the lines of a comparison.
func report(w io.Writer, name string, rates, over map[string][]float64) error {
	head, lines := fmt.Sprintf("# %s, messages a second, medians:", name), ""
	for _, who := range order() {
		if len(rates[who]) == 0 {
			continue
		}
		head += fmt.Sprintf(" %s %.0f", who, ratio.Median(rates[who]))
		switch who {
		case "us":
		case "aa":
			lines += ratio.Line(name+"-aa", over[who], 2)
		default:
			lines += ratio.Line(name+"-us-over-"+who, over[who], 2)
		}
	}
	_, err := fmt.Fprintf(w, "%s\n%s", head, lines)
	return err
}

// measureOne measures a server, or a broker that is started for it.
func measureOne(ctx context.Context, s *server, o options, measure measurement) (r float64, err error) {
	if s != nil {
		return measure(ctx, s, o)
	}
	if s, err = startOurs("broker"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return measure(ctx, s, o)
}

// sendRate sends for a time.
func sendRate(ctx context.Context, s *server, o options) (float64, error) {
	topic, err := s.topic(ctx)
	if err != nil {
		return 0, err
	}
	send := func(ctx context.Context) (int, error) { return sendSize, s.send(ctx, topic, sendSize) }
	if _, err := rate(ctx, senders, until(o.round/5), send); err != nil { // to warm up
		return 0, err
	}
	return rate(ctx, senders, until(o.round), send)
}

// receiveRate receives and acknowledges messages of which there are more, so that nobody waits.
func receiveRate(ctx context.Context, s *server, o options) (float64, error) {
	topic, err := s.topic(ctx)
	if err != nil {
		return 0, err
	}
	stored := o.messages*3/2 + 2*receivers*batchSize
	_, err = rate(ctx, senders, upTo(stored), func(ctx context.Context) (int, error) {
		return sendSize, s.send(ctx, topic, sendSize)
	})
	if err != nil {
		return 0, err
	}
	group, err := s.group(ctx, topic)
	if err != nil {
		return 0, err
	}
	receive := func(ctx context.Context) (int, error) { return s.receive(ctx, group, topic, 5*time.Second) }
	if _, err := rate(ctx, receivers, upTo(o.messages/5), receive); err != nil { // to warm up
		return 0, err
	}
	return rate(ctx, receivers, upTo(o.messages), receive)
}
