package conformance

import (
	"strconv"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

// asksWithin is when the server has asked about a transaction: a round of checks comes each 30 s and
// passes by what is younger than 6 s. In CLUSTER mode the broker hears of a producer from the proxy,
// which it tells each 20 s.
const asksWithin = 75 * time.Second

func transactionCheckRows() []Row {
	return []Row{
		{"TX2", "a message that was rolled back is not visible, nor does the server ask about it", Near, func(e *Env) {
			topic, group := e.Topic("TRANSACTION", 4), e.Group()
			p, c := e.Producer(topic), e.Consumer(group)
			require.Equal(e, v2.Code_OK, p.End(p.Begin(topic, "rolled back"), rollback, byClient))
			open := p.Begin(topic, "open")
			require.Equal(e, idOf(open), p.Asked().GetTransactionId())
			require.Empty(e, c.Receive(group, topic).Messages)
		}},
		{"TX5", "the server asks about what is not resolved, again and again", Near, asked},
		{"TX6", "the answer to a check commits", Near, func(e *Env) {
			topic, group := e.Topic("TRANSACTION", 4), e.Group()
			p, c := e.Producer(topic), e.Consumer(group)
			m := p.Begin(topic, "body")
			command := p.Asked()
			require.Equal(e, idOf(m), command.GetTransactionId())
			require.Equal(e, v2.Code_OK, p.End(m, commit, byCheck))
			got, _ := c.One(group, topic)
			require.Equal(e, "body", string(got.GetBody()))
			require.Equal(e, command.GetMessage().GetUserProperties(), got.GetUserProperties())
		}},
		{"TX8", "after the time for recovery a producer commits only when it is asked; what a commit before that is told", Either, func(e *Env) {
			topic, group := e.Topic("TRANSACTION", 4), e.Group()
			p, c := e.Producer(topic), e.Consumer(group)
			m := p.Begin(topic, "body", recoveredAfter(7*time.Second))
			e.Sleep(8 * time.Second)
			early := p.End(m, commit, byClient)
			require.Empty(e, c.Receive(group, topic).Messages)
			require.Equal(e, idOf(m), p.Asked().GetTransactionId())
			require.Equal(e, v2.Code_OK, p.End(m, commit, byCheck))
			got, _ := c.One(group, topic)
			require.Equal(e, "7", got.GetUserProperties()["CHECK_IMMUNITY_TIME_IN_SECONDS"])
			sawOne(e, early, map[v2.Code]string{v2.Code_OK: "OK", v2.Code_INTERNAL_SERVER_ERROR: "internal server error"})
		}},
	}
}

func asked(e *Env) {
	topic := e.Topic("TRANSACTION", 4)
	p := e.Producer(topic)
	start := time.Now()
	m := p.Begin(topic, "body", tagged("tag"), property("k", "v"))
	first := 0
	for i := range 2 {
		command := p.Asked()
		require.Greater(e, time.Since(start), 6*time.Second)
		require.Less(e, time.Since(start), time.Duration(i+1)*asksWithin)
		require.Equal(e, idOf(m), command.GetTransactionId())
		got := command.GetMessage()
		require.Equal(e, topic, got.GetTopic().GetName())
		require.Equal(e, "body", string(got.GetBody()))
		require.Equal(e, "tag", got.GetSystemProperties().GetTag())
		require.Equal(e, idOf(m), idOf(got))
		require.Equal(e, v2.MessageType_TRANSACTION, got.GetSystemProperties().GetMessageType())
		require.Empty(e, handleOf(got))
		checks, err := strconv.Atoi(got.GetUserProperties()["TRANSACTION_CHECK_TIMES"])
		require.NoError(e, err)
		if i == 0 {
			first = checks // rounds in which no producer was known count too
		}
		require.Equal(e, first+i, checks)
		require.Equal(e, map[string]string{
			"k": "v", "__transactionId__": idOf(m), "TRANSACTION_CHECK_TIMES": strconv.Itoa(checks),
		}, got.GetUserProperties())
	}
}
