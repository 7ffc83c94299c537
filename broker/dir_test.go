package broker_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

// A home is where a broker is started, again and again.
type home struct {
	t    *testing.T
	opts broker.Options
	disk *crashfs.FS
}

// inHome runs a test of what outlives a broker, in a bubble of virtual time.
func inHome(t *testing.T, test func(h *home)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(&home{t, standard(), crashfs.New()}) })
}

// start starts a broker, whose client is registered as a consumer, and gives what ends both.
func (h *home) start() (*rig, func() error) {
	h.t.Helper()
	broker.OnFiles(&h.opts, h.disk)
	b, err := broker.Start(h.opts)
	require.NoError(h.t, err)
	conn, err := grpc.NewClient("passthrough:///"+b.Endpoint(),
		grpc.WithContextDialer(b.Dialer()), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(h.t, err)
	h.t.Cleanup(func() { // if the test fails in between
		_ = conn.Close()
		_ = b.Close()
	})
	r := &rig{require.New(h.t), b, v2.NewMessagingServiceClient(conn), as("client")}
	r.register()
	return r, func() error {
		r.NoError(conn.Close())
		return b.Close()
	}
}

// during runs something with a broker, which is closed afterwards.
func (h *home) during(do func(r *rig)) {
	h.t.Helper()
	r, end := h.start()
	do(r)
	require.NoError(h.t, end())
}

// untilKilled runs something with a broker, which is killed afterwards: it has no time to do anything.
func (h *home) untilKilled(do func(r *rig)) {
	h.t.Helper()
	r, end := h.start()
	do(r)
	after := h.disk.Kill()
	require.ErrorIs(h.t, end(), crashfs.ErrCrashed)
	h.disk = after
}

// afterEachTear runs something with a broker that is killed, and then looks at what another finds there if
// what was written ends before, or in the midst of, a record: of each, the first one first.
func (h *home) afterEachTear(do, look func(r *rig)) {
	h.t.Helper()
	h.during(func(*rig) {})
	at := len(h.log())
	h.untilKilled(do)
	log := h.log()
	for at < len(log) {
		h.cut(log[:at])
		h.during(look)
		h.cut(log[:at+1])
		h.during(look)
		at += 8 + int(binary.BigEndian.Uint32(log[at:])) // which is the length, before the checksum
	}
	h.cut(log)
	h.during(look)
}

// cut lets nothing else be on the disk than a log.
func (h *home) cut(log []byte) {
	h.disk = crashfs.New()
	file, err := h.disk.Create(logFile)
	require.NoError(h.t, err)
	_, err = file.Write(log)
	require.NoError(h.t, err)
	require.NoError(h.t, file.Close())
}

// logFile is where a broker writes that has taken no snapshot.
const logFile = "dir/00000000000000000001.log"

// log gives what was written there.
func (h *home) log() []byte {
	in, _, err := h.disk.Open(logFile)
	require.NoError(h.t, err)
	log, err := io.ReadAll(in)
	require.NoError(h.t, err)
	require.NoError(h.t, in.Close())
	return log
}

// ends is the ways in which a broker can end, by name.
func ends() map[string]func(*home, func(*rig)) {
	return map[string]func(*home, func(*rig)){
		"closed": (*home).during,
		"killed": (*home).untilKilled,
		"closed with a snapshot": func(h *home, do func(*rig)) {
			h.during(func(r *rig) {
				do(r)
				r.NoError(r.broker.Compact(h.t.Context()))
			})
		},
	}
}

// outlives runs a test that does something to one broker, which ends in each of the ways, and looks at
// another.
func outlives(t *testing.T, do, look func(r *rig)) {
	t.Helper()
	for name, until := range ends() {
		t.Run(name, func(t *testing.T) {
			inHome(t, func(h *home) {
				until(h, do)
				h.during(look)
				h.during(look)
			})
		})
	}
}

func TestDir_KeepsTopicsAndGroups(t *testing.T) {
	lasting := broker.Group{Name: "later", RetryMaxTimes: -1, Backoff: broker.RetryPolicy{Initial: time.Second}}
	outlives(t, func(r *rig) {
		r.NoError(r.broker.CreateTopic(broker.Topic{Name: "later", Queues: 3, Type: broker.FIFO, Permission: broker.ReadOnly}))
		r.NoError(r.broker.CreateGroup(lasting))
	}, func(r *rig) {
		r.Contains(r.broker.Topics(), broker.Topic{Name: "later", Queues: 3, Type: broker.FIFO, Permission: broker.ReadOnly})
		r.Len(r.broker.Topics(), len(standard().Topics)+1)
		var found broker.Group
		for _, g := range r.broker.Groups() {
			if g.Name == "later" {
				found = g
			}
		}
		r.Zero(found.RetryMaxTimes)
		r.Equal(broker.RetryPolicy{Initial: time.Second, Max: 2 * time.Hour, Multiplier: 2}, found.Backoff)
		r.ErrorIs(r.broker.CreateTopic(broker.Topic{Name: "later"}), broker.ErrExists)
	})
}

func TestDir_KeepsMessages(t *testing.T) {
	var sent []broker.Stored
	outlives(t, func(r *rig) {
		for i := range 300 {
			r.send("N4", fmt.Sprint("body", i), withTag("A"), withGroupIf(i%2 == 0, "one"))
		}
		sent = r.broker.Messages("N4")
		r.Len(sent, 300)
	}, func(r *rig) {
		r.Equal(sent, r.broker.Messages("N4"))
	})
}

// withGroupIf gives a message a property that not all have.
func withGroupIf(do bool, value string) func(*v2.Message) {
	return func(m *v2.Message) {
		if do {
			m.UserProperties = map[string]string{"k": value}
		}
	}
}

func TestDir_KeepsWhereQueuesBeginThatRetainHasShortened(t *testing.T) {
	for name, until := range ends() {
		t.Run(name, func(t *testing.T) {
			inHome(t, func(h *home) {
				h.opts.Retain = 300
				var kept []broker.Stored
				until(h, func(r *rig) {
					for i := range 1000 {
						r.send("N", fmt.Sprint("body", i))
					}
					kept = r.broker.Messages("N")
					r.Less(len(kept), 600)
				})
				h.during(func(r *rig) {
					r.Equal(kept, r.broker.Messages("N"))
					r.EqualValues(1000, r.send("N", "next"))
				})
			})
		})
	}
}

// From the first message with a priority on a topic of type Any is one of priorities, kept or not.
func TestDir_KeepsThatATopicHasPriorities(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		h.opts.Retain = 1
		until(h, func(r *rig) {
			r.NoError(r.broker.CreateTopic(broker.Topic{Name: "any", Queues: 2, Type: broker.Any}))
			r.send("any", "first", withPriority(1))
			for range 600 {
				r.send("any", "body")
			}
			r.NotContains(idsIn(r, "any"), "first")
		})
		until(h, func(r *rig) {
			_, got := r.pop("G", "any", batch(1))
			r.EqualValues(1, got[0].GetSystemProperties().GetQueueId())
			_, got = r.pop("G", "any", batch(1))
			r.EqualValues(1, got[0].GetSystemProperties().GetQueueId())
		})
	})
}

func TestDir_TakesOtherDescriptionsThatFitWhatIsKept(t *testing.T) {
	inHome(t, func(h *home) {
		h.opts.Topics = []broker.Topic{{Name: "N", Queues: 2}}
		h.during(func(r *rig) { r.send("N", "body") })
		h.opts.Topics = []broker.Topic{{Name: "N", Queues: 2, Type: broker.FIFO}}
		h.opts.Groups = append(h.opts.Groups, broker.Group{Name: "new"})
		h.opts.Groups[0].RetryMaxTimes = 3
		for range 2 {
			h.during(func(r *rig) {
				r.Equal(h.opts.Topics, r.broker.Topics())
				r.Len(r.broker.Messages("N"), 1)
				r.Len(r.broker.Groups(), len(h.opts.Groups))
				r.Equal(3, r.broker.Groups()[0].RetryMaxTimes)
			})
			h.opts.Topics, h.opts.Groups = h.opts.Topics[:1:1], h.opts.Groups[:len(h.opts.Groups):len(h.opts.Groups)]
		}
		h.opts.Topics = []broker.Topic{{Name: "N", Queues: 3}}
		broker.OnFiles(&h.opts, h.disk)
		_, err := broker.Start(h.opts)
		var fault *broker.ConfigError
		require.ErrorAs(t, err, &fault)
		require.ErrorContains(t, err, "has 2 queues, not 3")
	})
}

// The topics that a quirk gives the broker are in no directory.
func TestDir_IsReadWithEveryQuirk(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		h.opts.Quirks = broker.Quirks()
		for want := range 3 {
			until(h, func(r *rig) {
				r.Len(r.broker.Messages("N"), want)
				r.send("N", "body")
				r.Len(r.broker.Topics(), len(standard().Topics)+1)
			})
		}
	})
}

func TestDir_AnswersNothingThatTheDiskDoesNotHave(t *testing.T) {
	inHome(t, func(h *home) {
		h.opts.Pull = true
		r, end := h.start()
		h.disk.Crash()
		_, err := r.stub.SendMessage(r.ctx, &v2.SendMessageRequest{Messages: []*v2.Message{message("N", "id", "body")}})
		require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
		require.Len(t, r.broker.Messages("N"), 1)
		pulls, err := r.stub.PullMessage(r.ctx, &v2.PullMessageRequest{
			Group: resource("G"), MessageQueue: &v2.MessageQueue{Topic: resource("N")}, BatchSize: 1,
		})
		require.NoError(t, err)
		_, err = pulls.Recv()
		require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
		none := r.request("O", "N")
		none.FilterExpression = &v2.FilterExpression{Type: v2.FilterType_TAG, Expression: "none"}
		_, err = r.frames(r.ctx, none)
		require.Equal(t, codes.Unavailable, status.Code(err), "what was passed by is not to come again: %v", err)
		require.ErrorIs(t, r.broker.CreateTopic(broker.Topic{Name: "later"}), crashfs.ErrCrashed)
		require.ErrorIs(t, end(), crashfs.ErrCrashed)
	})
}

func TestDir_TakesSnapshotsWhileMessagesArrive(t *testing.T) {
	inHome(t, func(h *home) {
		var sent map[string][]broker.Stored
		topics := []string{"N4", "F4", "M", "P"}
		h.untilKilled(func(r *rig) {
			var senders sync.WaitGroup
			for _, topic := range []string{"N4", "N4", "M"} {
				senders.Go(func() {
					for i := range 200 {
						r.send(topic, fmt.Sprint("body", i))
					}
				})
			}
			for range 20 {
				r.NoError(r.broker.Compact(h.t.Context()))
			}
			senders.Wait()
			sent = storedIn(r, topics)
		})
		h.during(func(r *rig) { r.Equal(sent, storedIn(r, topics)) })
	})
}

func storedIn(r *rig, topics []string) map[string][]broker.Stored {
	all := make(map[string][]broker.Stored)
	for _, t := range topics {
		all[t] = r.broker.Messages(t)
	}
	return all
}
