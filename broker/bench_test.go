package broker_test

import (
	"strconv"
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

// messages gives n messages with bodies of 256 bytes.
func messages(topic string, n int) []*v2.Message {
	all := make([]*v2.Message, n)
	for i := range all {
		all[i] = message(topic, strconv.Itoa(i), string(make([]byte, 256)))
	}
	return all
}

// retaining10k is a broker of which the memory does not grow with the benchmark.
func retaining10k() broker.Options {
	opts := standard()
	opts.Retain = 10_000
	return opts
}

// BenchmarkSend sends messages, by how many there are in a request.
func BenchmarkSend(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run("batch="+strconv.Itoa(n), func(b *testing.B) {
			r := newRig(b, retaining10k())
			req := &v2.SendMessageRequest{Messages: messages("N4", n)}
			b.ReportAllocs()
			for b.Loop() {
				answer, err := r.stub.SendMessage(r.ctx, req)
				require.NoError(b, err)
				require.Equal(b, v2.Code_OK, answer.GetStatus().GetCode())
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkReceive receives 32 messages and acknowledges them in one request.
func BenchmarkReceive(b *testing.B) {
	r := newRig(b, retaining10k())
	r.register()
	req := &v2.SendMessageRequest{Messages: messages("N4", 32)}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		_, err := r.stub.SendMessage(r.ctx, req)
		require.NoError(b, err)
		b.StartTimer()
		_, got := r.receive(r.request("G", "N4"))
		require.Len(b, got, 32)
		r.ack("G", "N4", handles(got...)...)
	}
	b.ReportMetric(float64(32*b.N)/b.Elapsed().Seconds(), "messages/s")
}
