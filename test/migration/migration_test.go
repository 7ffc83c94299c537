// Package migration holds docs/from-the-official-client.md to its word: what it shows of this project
// compiles and runs.
package migration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

const accessKey, secret = "key", "secret"

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// setUp starts a broker and returns a client of it, with what ends both.
func setUp() (ctx context.Context, c *client.Client, end func()) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	b, err := broker.Start(broker.Options{
		Recall: true,
		Topics: []broker.Topic{
			{Name: "orders", Queues: 1}, {Name: "steps", Queues: 1, Type: broker.FIFO},
			{Name: "later", Queues: 1, Type: broker.Delay}, {Name: "levels", Queues: 4, Type: broker.Priority},
			{Name: "payments", Queues: 1, Type: broker.Transaction}, {Name: "parent", Queues: 1, Type: broker.Lite},
		},
		Groups: []broker.Group{{Name: "billing"}, {Name: "chat", Lite: broker.LiteBinding{Topic: "parent"}}},
	})
	must(err)
	c, err = client.New(b.Endpoint(), client.WithPlaintext())
	must(err)
	return ctx, c, func() {
		must(c.Close())
		must(b.Close())
		cancel()
	}
}

func Example_client() {
	endpoint := "10.0.0.1:8081"
	// page
	c, err := client.New(endpoint,
		client.WithCredentials(accessKey, secret), // leave it out if the server does not ask
		client.WithNamespace("ns"),
		client.WithPlaintext(),            // TLS, verified, is the default
		client.WithLogger(slog.Default()), // the default is not to log
	)
	must(err)
	defer c.Close()
	// end
	fmt.Println(err)
	// Output: <nil>
}

func Example_producer() {
	ctx, c, end := setUp()
	defer end()
	// page
	p, err := c.NewProducer(client.WithMaxAttempts(3))
	must(err)
	receipt, err := p.Send(ctx, &client.Message{
		Topic: "orders", Body: []byte("hello"),
		Tag: "blue", Keys: []string{"order-7"},
		Properties: map[string]string{"colour": "dark blue"},
	})
	must(err)
	fmt.Println(receipt.MessageID != "", receipt.Offset)
	// end
	// Output: true 0
}

func Example_sendAsync() {
	ctx, c, end := setUp()
	defer end()
	p, err := c.NewProducer()
	must(err)
	m := &client.Message{Topic: "orders", Body: []byte("hello")}
	// page
	p.SendAsync(ctx, m, func(receipt client.Receipt, err error) {
		fmt.Println(receipt.MessageID != "", err)
	})
	must(p.Flush(ctx)) // waits for all that is under way
	// end
	// Output: true <nil>
}

func Example_types() {
	ctx, c, end := setUp()
	defer end()
	p, err := c.NewProducer()
	must(err)
	body := []byte("x")
	// page
	for _, m := range []*client.Message{
		{Topic: "steps", Body: body, MessageGroup: "order-7"},                   // SetMessageGroup
		{Topic: "later", Body: body, DeliveryTime: time.Now().Add(time.Minute)}, // SetDelayTimestamp
		{Topic: "levels", Body: body, Priority: new(3)},                         // SetPriority
		{Topic: "parent", Body: body, LiteTopic: "room-1"},                      // SetLiteTopic
	} {
		_, err := p.Send(ctx, m)
		must(err)
	}
	// end
	fmt.Println("sent")
	// Output: sent
}

func Example_transaction() {
	ctx, c, end := setUp()
	defer end()
	m := &client.Message{Topic: "payments", Body: []byte("x")}
	pay := func(context.Context) error { return nil }
	paid := func(context.Context, string) bool { return true }
	// page
	p, err := c.NewProducer(client.WithTopics("payments"), client.WithTransactionChecker(
		func(ctx context.Context, m *client.Message) client.Resolution {
			if paid(ctx, m.ID) {
				return client.ResolutionCommit
			}
			return client.ResolutionUnknown // the server asks again
		}))
	must(err)
	tx, err := p.BeginTransaction()
	must(err)
	_, err = tx.Send(ctx, m)
	must(err)
	if err := pay(ctx); err != nil {
		must(tx.Rollback(ctx))
	} else {
		must(tx.Commit(ctx))
	}
	// end
	fmt.Println("decided")
	// Output: decided
}

func Example_recall() {
	ctx, c, end := setUp()
	defer end()
	p, err := c.NewProducer()
	must(err)
	receipt, err := p.Send(ctx, &client.Message{Topic: "later", Body: []byte("x"), DeliveryTime: time.Now().Add(time.Hour)})
	must(err)
	// page
	id, err := p.Recall(ctx, "later", receipt.RecallHandle)
	// end
	fmt.Println(id == receipt.MessageID, err)
	// Output: true <nil>
}

func Example_simpleConsumer() {
	ctx, c, end := setUp()
	defer end()
	p, err := c.NewProducer()
	must(err)
	_, err = p.Send(ctx, &client.Message{Topic: "orders", Body: []byte("hello")})
	must(err)
	// page
	sc, err := c.NewSimpleConsumer("billing",
		map[string]client.Filter{"orders": client.All()}, // or client.Tag("a || b"), client.SQL("price > 10")
		client.WithAwait(5*time.Second))
	must(err)
	deliveries, err := sc.Receive(ctx, 16, 20*time.Second)
	must(err) // none is no error
	for _, d := range deliveries {
		fmt.Printf("%s %d\n", d.Body, d.Attempt)
	}
	must(sc.Ack(ctx, deliveries...)) // all at once, or d.Ack(ctx), d.Nack(ctx, after), d.Extend(ctx, by)
	// end
	// Output: hello 1
}

func Example_pushConsumer() {
	ctx, c, end := setUp()
	defer end()
	p, err := c.NewProducer()
	must(err)
	_, err = p.Send(ctx, &client.Message{Topic: "orders", Body: []byte("hello")})
	must(err)
	ctx, stop := context.WithCancel(ctx)
	// page
	pc, err := c.NewPushConsumer("billing",
		map[string]client.Filter{"orders": client.All()},
		func(ctx context.Context, m *client.Message) error {
			fmt.Printf("%s\n", m.Body)
			stop()
			return nil // an error: consumed again later, and in the end a dead letter
		},
		client.WithConcurrency(20), client.WithCacheLimit(1024, 64<<20))
	must(err)
	must(pc.Run(ctx)) // until ctx ends; then handlers finish and what is left is handed back
	// end
	// Output: hello
}

func Example_litePushConsumer() {
	ctx, c, end := setUp()
	defer end()
	p, err := c.NewProducer()
	must(err)
	_, err = p.Send(ctx, &client.Message{Topic: "parent", LiteTopic: "room-1", Body: []byte("hello")})
	must(err)
	ctx, stop := context.WithCancel(ctx)
	// page
	lp, err := c.NewLitePushConsumer("chat", "parent",
		func(ctx context.Context, m *client.Message) error {
			fmt.Printf("%s in %s\n", m.Body, m.LiteTopic)
			stop()
			return nil // or client.SuspendFor(time.Second)
		})
	must(err)
	must(lp.SubscribeLite(ctx, "room-1"))
	must(lp.Run(ctx))
	// end
	// Output: hello in room-1
}

func Example_errors() {
	ctx, c, end := setUp()
	defer end()
	p, err := c.NewProducer()
	must(err)
	m := &client.Message{Topic: "nowhere", Body: []byte("x")}
	// page
	_, err = p.Send(ctx, m)
	var refused *client.StatusError
	switch {
	case errors.Is(err, client.ErrTopicNotFound):
		fmt.Println("no such topic")
	case client.Temporary(err):
		fmt.Println("try again later")
	case errors.As(err, &refused):
		fmt.Println(refused.Code, refused.Message, refused.RequestID, refused.Endpoint)
	}
	// end
	// Output: no such topic
}

// shown are the parts of this file between the marks, without their indentation.
func shown(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("migration_test.go")
	require.NoError(t, err)
	parts := regexp.MustCompile(`(?s)\n\t// page\n(.*?)\t// end\n`).FindAllStringSubmatch(string(source), -1)
	var out []string
	for _, part := range parts {
		out = append(out, strings.ReplaceAll("\n"+part[1], "\n\t", "\n")[1:])
	}
	return out
}

func TestPage_ShowsTheExamplesAndNothingElse(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "from-the-official-client.md"))
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	var ours []string
	for _, block := range blocks {
		if !strings.HasPrefix(block[1], "// official\n") {
			ours = append(ours, block[1])
		}
	}
	require.Equal(t, shown(t), ours)
}
