package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Each topic has so many who wait for its messages, which there are none of.
const pollsOfTopic = 500

// measurePolls takes what long polls that wait take in the server's process: of clients that share
// some connections, and of clients that have one each.
func measurePolls(ctx context.Context, w io.Writer, o options) error {
	for _, row := range []struct {
		name        string
		connections int
	}{
		{"shared", max(1, o.polls/100)},
		{"own", o.polls},
	} {
		kilobytes, err := holdPolls(ctx, o.polls, row.connections)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "# %d polls over %d connections\nRATIO idle-poll-kilobytes-%s-connection %.1f\n",
			o.polls, row.connections, row.name, kilobytes)
		if err != nil {
			return err
		}
	}
	return nil
}

// holdPolls gives the resident memory of a poll, in units of 1000 bytes.
func holdPolls(ctx context.Context, polls, connections int) (_ float64, err error) {
	s, err := startOurs("broker")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.firstMessage(as(ctx, "bench@1")); err != nil {
		return 0, err
	}
	before, err := s.process.footprint()
	if err != nil {
		return 0, err
	}
	clients, err := start("pollers", "-endpoint", s.process.first,
		"-polls", strconv.Itoa(polls), "-connections", strconv.Itoa(connections))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, clients.close()) }()
	after, err := s.process.footprint()
	if err != nil {
		return 0, err
	}
	if waiting := after.Goroutines - before.Goroutines; waiting < polls {
		return 0, fmt.Errorf("bench: %d goroutines hold %d polls: not all of them wait", waiting, polls)
	}
	return float64(after.Resident-before.Resident) / 1000 / float64(polls), nil
}

// pollers is the clients of long polls, in a process of their own.
type pollers struct {
	endpoint           string
	polls, connections int
}

// play opens all polls, says that it has, and holds them until the input ends.
func (p pollers) play(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	connections := make([]*bare, p.connections)
	for i := range connections {
		if connections[i], err = dial(p.endpoint); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, connections[i].Close()) }()
	}
	for i := range p.polls {
		if err := connections[i%p.connections].poll(ctx, i); err != nil {
			return fmt.Errorf("bench: poll %d: %w", i, err)
		}
	}
	time.Sleep(2 * time.Second) // until the server has begun with the last
	return answer("ready", in, out)
}

// poll announces a client and opens a poll that waits, which ends with ctx.
func (b *bare) poll(ctx context.Context, i int) error {
	ctx = as(ctx, fmt.Sprintf("poller@%d", i))
	topic := fmt.Sprintf("polled-%d", i/pollsOfTopic)
	if err := b.join(ctx, "pollers", topic); err != nil {
		return err
	}
	_, err := b.rpc.ReceiveMessage(ctx, &v2.ReceiveMessageRequest{
		Group: resource("pollers"), MessageQueue: &v2.MessageQueue{Topic: resource(topic)},
		FilterExpression: everything(), BatchSize: batchSize,
		InvisibleDuration: durationpb.New(lease), LongPollingTimeout: durationpb.New(9 * time.Minute),
	})
	return err
}
