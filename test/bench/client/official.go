package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	official "github.com/apache/rocketmq-clients/golang/v5"
	"github.com/apache/rocketmq-clients/golang/v5/credentials"
)

// grpcLog is where the official client logs each call; it has no setting.
const grpcLog = "/tmp/rocketmq-logger.log"

// logs is a directory for what the official client logs.
type logs struct {
	dir    string
	linked bool
}

// redirectLogs makes the official client log into a directory that Close removes, instead of the home
// of the user and /tmp. It logs as much as it does by default, since that is part of what it does. The
// file in /tmp is left where it is if there is one already.
func redirectLogs() (*logs, error) {
	dir, err := os.MkdirTemp("", "bench-client-")
	if err != nil {
		return nil, err
	}
	l := &logs{dir: dir}
	if err := os.Setenv(official.CLIENT_LOG_ROOT, dir); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	official.ResetLogger()
	official.EnableSsl = false
	if _, err := os.Stat(grpcLog); errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(grpcLog) // of a run that was killed, if there is one
	}
	l.linked = os.Symlink(filepath.Join(dir, "grpc.log"), grpcLog) == nil
	return l, nil
}

func (l *logs) Close() error {
	var err error
	if l.linked {
		err = os.Remove(grpcLog)
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

func officialConfig(s *server, group string) *official.Config {
	return &official.Config{Endpoint: s.endpoint, ConsumerGroup: group, Credentials: &credentials.SessionCredentials{}}
}

// officialProducer sends with the official client.
type officialProducer struct {
	producer official.Producer
	topic    string
	round    time.Duration
	callers  int
	window   int // of SendAsync, which has none of its own; 0: messages are sent by Send
}

func newOfficialProducer(s *server, topic string, round time.Duration, callers, window int) (*officialProducer, error) {
	p, err := official.NewProducer(officialConfig(s, ""), official.WithTopics(topic))
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	return &officialProducer{p, topic, round, callers, window}, nil
}

func (f *officialProducer) Close() error { return f.producer.GracefulStop() }

func (f *officialProducer) message() *official.Message {
	return &official.Message{Topic: f.topic, Body: make([]byte, bodySize)}
}

func (f *officialProducer) Run(ctx context.Context) (float64, error) {
	if f.window > 0 {
		return f.async(ctx)
	}
	return sendFor(ctx, f.round, f.callers, 1, func(ctx context.Context) error {
		_, err := f.producer.Send(ctx, f.message())
		return err
	})
}

func (f *officialProducer) async(ctx context.Context) (float64, error) {
	var (
		problem firstError
		wg      sync.WaitGroup
		window  = make(chan struct{}, f.window)
	)
	count, begun := 0, time.Now()
	for time.Since(begun) < f.round {
		window <- struct{}{}
		wg.Add(1)
		f.producer.SendAsync(ctx, f.message(), func(_ context.Context, _ []*official.SendReceipt, err error) {
			if err != nil {
				problem.note(err)
			}
			<-window
			wg.Done()
		})
		count++
	}
	wg.Wait()
	return float64(count) / time.Since(begun).Seconds(), problem.get()
}

// officialSimple receives and acknowledges with the official client, whose Ack takes one message.
type officialSimple struct {
	*backlog
	receivers int
}

func (officialSimple) Close() error { return nil }

func (f officialSimple) Run(ctx context.Context) (rate float64, err error) {
	group, err := f.server.group(ctx)
	if err != nil {
		return 0, err
	}
	consumer, err := official.NewSimpleConsumer(officialConfig(f.server, group),
		official.WithSimpleAwaitDuration(await),
		official.WithSimpleSubscriptionExpressions(map[string]*official.FilterExpression{f.topic: official.SUB_ALL}))
	if err != nil {
		return 0, err
	}
	if err := consumer.Start(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	return consume(ctx, f.receivers, f.enough, func(ctx context.Context) (int, error) {
		got, err := consumer.Receive(ctx, pollSize, lease)
		if err != nil {
			return 0, err
		}
		for _, m := range got {
			if err := consumer.Ack(ctx, m); err != nil {
				return 0, err
			}
		}
		return len(got), nil
	})
}

// officialPush consumes with the official client's push consumer. To stop one takes it half a minute,
// so that waits for the end of the row; until then its listener keeps the messages that come too late,
// so that it does nothing while others run.
type officialPush struct {
	*backlog
	over  chan struct{}
	stops *sync.WaitGroup
	err   *firstError
}

func newOfficialPush(b *backlog) officialPush {
	return officialPush{b, make(chan struct{}), new(sync.WaitGroup), new(firstError)}
}

func (f officialPush) Close() error {
	close(f.over)
	f.stops.Wait()
	return f.err.get()
}

func (f officialPush) Run(ctx context.Context) (float64, error) {
	m := newMeter(f.enough)
	return f.listen(ctx, m, func(*official.MessageView) official.ConsumerResult {
		if !m.tick() {
			<-f.over
		}
		return official.SUCCESS
	})
}

// listen consumes with a listener until the meter has all that is wanted.
func (f officialPush) listen(ctx context.Context, m *meter, listener func(*official.MessageView) official.ConsumerResult) (float64, error) {
	group, err := f.server.group(ctx)
	if err != nil {
		return 0, err
	}
	consumer, err := official.NewPushConsumer(officialConfig(f.server, group),
		official.WithPushAwaitDuration(await),
		official.WithPushMaxCacheMessageCount(pushCache), official.WithPushMaxCacheMessageSizeInBytes(pushCacheBytes),
		official.WithPushSubscriptionExpressions(map[string]*official.FilterExpression{f.topic: official.SUB_ALL}),
		official.WithPushMessageListener(&official.FuncMessageListener{Consume: listener}))
	if err != nil {
		return 0, err
	}
	if err := consumer.Start(); err != nil {
		return 0, err
	}
	rate, err := m.rate(ctx)
	f.stops.Go(func() {
		if err := consumer.GracefulStop(); err != nil {
			f.err.note(err)
		}
	})
	return rate, err
}
