package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

var one, two = []string{"a:8081"}, []string{"a:8081", "b:8081"}

// A server hears everything when it comes to know the consumer, each change, and everything again every 30
// seconds, since it forgets consumers of which it hears nothing.
func TestLiteTopics_TellAllServersOfChangesAndOfEverythingInTime(t *testing.T) {
	onNetwork(t, two, func(n *network) {
		a, b := n.registers("a:8081"), n.registers("b:8081")
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		require.NoError(n, c.SubscribeLite(n.Context(), "B"))
		require.NoError(n, c.SubscribeLite(n.Context(), "B")) // says nothing new
		require.NoError(n, c.UnsubscribeLite(n.Context(), "A"))
		require.NoError(n, c.UnsubscribeLite(n.Context(), "unheard-of"))
		require.Equal(n, []string{"B"}, c.LiteTopics())
		synctest.Wait()
		for _, server := range []*registry{a, b} {
			// The list at the beginning has what was there by then.
			heard := slices.DeleteFunc(server.hears(), func(word string) bool { return word[0] == '=' })
			require.Equal(n, []string{"+A", "+B", "-A"}, heard)
			require.Equal(n, "B", server.has())
		}
		time.Sleep(30*time.Second + time.Millisecond)
		for _, server := range []*registry{a, b} {
			require.Equal(n, []string{"=B"}, server.hears())
		}
	})
}

func TestSubscribeLite_SaysWhereToReadOn(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		option client.LiteOption
		want   string
	}{
		{client.LastOffset(), "+A policy:LAST"},
		{client.MinOffset(), "+A policy:MIN"},
		{client.MaxOffset(), "+A policy:MAX"},
		{client.Offset(7), "+A offset:7"},
		{client.Offset(0), "+A offset:0"},
		{client.TailN(3), "+A tail_n:3"},
		{client.Timestamp(at), fmt.Sprint("+A timestamp:", at.UnixMilli())},
	} {
		t.Run(c.want, func(t *testing.T) {
			onNetwork(t, one, func(n *network) {
				server := n.registers("a:8081")
				consumer := n.liteConsumer()
				require.NoError(n, consumer.SubscribeLite(n.Context(), "A", client.MaxOffset(), c.option))
				require.Contains(n, server.hears(), c.want)
				require.Equal(n, "A", server.has())
			})
		})
	}
}

func TestSubscribeLite_RefusesWhatNoServerTakes(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		c := n.liteConsumer()
		for _, name := range []string{"", " ", "a b", "ä", "a.b", "a%b"} {
			require.ErrorIs(n, c.SubscribeLite(n.Context(), name), client.ErrIllegalTopic, "%q", name)
			require.ErrorIs(n, c.UnsubscribeLite(n.Context(), name), client.ErrIllegalTopic, "%q", name)
		}
		for _, option := range []client.LiteOption{client.Offset(-1), client.TailN(-1)} {
			require.ErrorIs(n, c.SubscribeLite(n.Context(), "A", option), client.ErrBadRequest)
		}
		require.Empty(n, server.hears())
		require.ErrorIs(n, c.SubscribeLite(n.Context(), strings.Repeat("x", 65)), client.ErrIllegalTopic)
		require.NoError(n, c.SubscribeLite(n.Context(), strings.Repeat("x", 60)+"-_9Z"))
	})
}

// All servers or none: the one that has taken it is told to forget it, and a repetition begins with that,
// because an exclusive group would take the lite topic from the consumer itself.
func TestSubscribeLite_LeavesNothingBehindWhenOneServerFails(t *testing.T) {
	onNetwork(t, two, func(n *network) {
		a, b := n.registers("a:8081"), n.registers("b:8081")
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		synctest.Wait()
		a.hears()
		b.script(func() { b.refuse = v2.Code_INTERNAL_SERVER_ERROR })

		err := c.SubscribeLite(n.Context(), "B")
		require.ErrorIs(n, err, client.ErrInternal)
		var refused *client.StatusError
		require.ErrorAs(n, err, &refused)
		require.Equal(n, "b:8081", refused.Endpoint)
		require.Equal(n, "B", refused.Target)
		require.Equal(n, []string{"A"}, c.LiteTopics())
		synctest.Wait()
		require.Equal(n, []string{"+B", "=A"}, a.hears())
		require.Equal(n, "A", a.has())

		b.script(func() { b.refuse = 0 })
		b.hears()
		require.NoError(n, c.SubscribeLite(n.Context(), "B"))
		require.Equal(n, []string{"=A", "+B"}, b.hears(), "it may have B")
		require.Equal(n, "A B", b.has())
	})
}

// Whatever became of an unsubscription, the next telling of everything repairs it.
func TestUnsubscribeLite_HoldsAlthoughAServerFails(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		server.script(func() { server.refuse = v2.Code_INTERNAL_SERVER_ERROR })
		require.ErrorIs(n, c.UnsubscribeLite(n.Context(), "A"), client.ErrInternal)
		require.Empty(n, c.LiteTopics())
		server.script(func() { server.refuse = 0 })
		time.Sleep(31 * time.Second)
		require.Empty(n, server.has())
		server.hears()
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		require.Equal(n, []string{"+A"}, server.hears(), "there is no doubt any more")
	})
}

// To read from elsewhere it is subscribed to anew, so that the server takes it from nobody.
func TestSubscribeLite_MovesWithoutTakingFromItself(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		require.NoError(n, c.SubscribeLite(n.Context(), "B"))
		synctest.Wait()
		server.hears()
		require.NoError(n, c.SubscribeLite(n.Context(), "A", client.MinOffset()))
		require.Equal(n, []string{"=B", "+A policy:MIN"}, server.hears())
		require.Equal(n, []string{"A", "B"}, c.LiteTopics())

		server.script(func() { server.refuse = v2.Code_INTERNAL_SERVER_ERROR })
		require.Error(n, c.SubscribeLite(n.Context(), "A", client.MaxOffset()))
		require.Equal(n, []string{"B"}, c.LiteTopics())
	})
}

func TestSubscribeLite_KeepsTheQuotaOfTheGroup(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		n.at("a:8081").script(func() { n.at("a:8081").telemetry = liteQuota(3, 4) })
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "0"))
		require.ErrorIs(n, c.SubscribeLite(n.Context(), "12345"), client.ErrIllegalTopic, "longer than the server allows")

		server.script(func() { server.delay = time.Second })
		var wg sync.WaitGroup
		var refused atomic.Int32
		for i := range 10 {
			wg.Go(func() {
				if err := c.SubscribeLite(n.Context(), fmt.Sprint("n", i)); errors.Is(err, client.ErrQuota) {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(n, 8, refused.Load())
		require.Len(n, c.LiteTopics(), 3)
		require.NoError(n, c.SubscribeLite(n.Context(), "0", client.MinOffset()), "it is not one more")
		require.NoError(n, c.UnsubscribeLite(n.Context(), "0"))
		require.NoError(n, c.SubscribeLite(n.Context(), "new"))
	})
}

// How long a name may be is not known before the first answer of a server.
func TestSubscribeLite_TakesLongNamesWhereTheServerDoes(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		n.registers("a:8081")
		n.at("a:8081").script(func() { n.at("a:8081").telemetry = liteQuota(3, 100) })
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), strings.Repeat("x", 100)))
		require.ErrorIs(n, c.SubscribeLite(n.Context(), strings.Repeat("x", 101)), client.ErrIllegalTopic)
	})
}

// A server that does not tell its quota, or that it is 0, has one all the same.
func TestSubscribeLite_DoesNotTakeSilenceForAQuotaOfNothing(t *testing.T) {
	for name, telemetry := range map[string]func(telemetryServer) error{
		"silent": answerSettings(func(s *v2.Settings) *v2.Settings { return s }), "zero": liteQuota(0, 0), "negative": liteQuota(-1, -1),
	} {
		t.Run(name, func(t *testing.T) {
			onNetwork(t, one, func(n *network) {
				n.registers("a:8081")
				n.at("a:8081").script(func() { n.at("a:8081").telemetry = telemetry })
				require.NoError(n, n.liteConsumer().SubscribeLite(n.Context(), "A"))
			})
		})
	}
}

func TestLiteTopics_AreToldAgainToAServerThatWasAway(t *testing.T) {
	onNetwork(t, two, func(n *network) {
		n.registers("a:8081")
		n.registers("b:8081")
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		require.NoError(n, c.SubscribeLite(n.Context(), "B"))
		n.stop("b:8081")
		time.Sleep(5 * time.Second)
		n.start("b:8081", newScripted(two))
		b := n.registers("b:8081")
		time.Sleep(2 * time.Second)
		require.Equal(n, []string{"=A B"}, b.hears())
	})
}

func TestLiteTopics_LoseWhatAServerTakesAway(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		lost := make(chan string, 10)
		c := n.liteConsumer(client.WithUnsubscribeNotice(func(name string) {
			lost <- name
			if name == "A" {
				panic("of the user")
			}
		}))
		for _, name := range []string{"A", "B", "C"} {
			require.NoError(n, c.SubscribeLite(n.Context(), name))
		}
		for _, name := range []string{"A", "unheard of", "", "B"} {
			server.commands <- liteCommand(name)
		}
		synctest.Wait()
		close(lost)
		got := map[string]bool{}
		for name := range lost {
			got[name] = true
		}
		require.Equal(n, map[string]bool{"A": true, "B": true}, got)
		require.Equal(n, []string{"C"}, c.LiteTopics())
		require.NoError(n, c.SubscribeLite(n.Context(), "A"), "it can be taken back")
	})
}

// Nobody has to want to know, neither of lite topics nor on a consumer that has none.
func TestLiteTopics_NeedNoNotice(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		server.commands <- liteCommand("A")
		synctest.Wait()
		require.Empty(n, c.LiteTopics())
	})
}

// Another consumer may take it before the answer that this one has it has arrived.
func TestLiteTopics_LoseWhatIsTakenAwayAtOnce(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		var lost atomic.Int32
		c := n.liteConsumer(client.WithUnsubscribeNotice(func(string) { lost.Add(1) }))
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		server.script(func() { server.delay = time.Second })
		time.AfterFunc(500*time.Millisecond, func() { server.commands <- liteCommand("B") })
		require.NoError(n, c.SubscribeLite(n.Context(), "B"))
		require.Equal(n, []string{"A"}, c.LiteTopics())
		require.EqualValues(n, 1, lost.Load())
	})
}

// A list without a lite topic that arrives after its addition would remove it.
func TestLiteTopics_AreNotListedWhileOneIsChanging(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		time.Sleep(29 * time.Second)
		server.hears()
		server.script(func() { server.delay = 2 * time.Second })
		require.NoError(n, c.SubscribeLite(n.Context(), "B")) // over the end of the 30 seconds
		require.Equal(n, []string{"+B"}, server.hears())
		time.Sleep(3 * time.Second)
		require.Equal(n, []string{"=A B"}, server.hears())
	})
}

func TestSubscribeLite_ComesAgainToAServerThatIsBusy(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		synctest.Wait()
		server.hears()
		server.script(func() { server.refuse = v2.Code_TOO_MANY_REQUESTS })
		time.AfterFunc(60*time.Millisecond, func() { server.script(func() { server.refuse = 0 }) })
		require.NoError(n, c.SubscribeLite(n.Context(), "B"))
		require.Equal(n, "A B", server.has())

		server.script(func() { server.refuse = v2.Code_TOO_MANY_REQUESTS })
		require.ErrorIs(n, c.SubscribeLite(n.Context(), "C"), client.ErrThrottled)
	})
}

func TestSubscribeLite_EndsWithItsContextAndWithTheConsumer(t *testing.T) {
	onNetwork(t, one, func(n *network) {
		server := n.registers("a:8081")
		c := n.liteConsumer()
		require.NoError(n, c.SubscribeLite(n.Context(), "A"))
		server.script(func() { server.delay = time.Minute })
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(n.Context())
		errs := make([]error, 20) // more than go at once, and some wait for each other
		for i := range errs {
			wg.Go(func() { errs[i] = c.SubscribeLite(ctx, fmt.Sprint("n", i/2)) })
		}
		synctest.Wait()
		begun := time.Now()
		cancel()
		wg.Wait()
		for _, err := range errs {
			require.ErrorIs(n, err, context.Canceled)
		}
		wg.Go(func() { errs[0] = c.SubscribeLite(n.Context(), "B") })
		synctest.Wait()
		moving, stop := context.WithCancel(n.Context())
		time.AfterFunc(time.Millisecond, stop)
		require.ErrorIs(n, c.SubscribeLite(moving, "A", client.MinOffset()), context.Canceled, "it waits for B")
		require.NoError(n, c.Close())
		wg.Wait()
		require.ErrorIs(n, errs[0], client.ErrClosed)
		require.Less(n, time.Since(begun), time.Second)
		require.ErrorIs(n, c.SubscribeLite(n.Context(), "B"), client.ErrClosed)
		require.ErrorIs(n, c.UnsubscribeLite(n.Context(), "A"), client.ErrClosed)
	})
}
