// Command orders consumes, transforms and produces, and each order has exactly one invoice, although
// the worker that makes them is killed in the middle, several times, and started again.
//
//	go run ./pipelines/orders
//
// The worker is a process of its own: the pipeline in worker.go, with a store in a directory. This
// process starts it, watches the topic of invoices, kills the worker at a quarter, a half and three
// quarters of them, and counts in the end. Orders are the first flights of the file: whoever runs them
// is to pay by the mile. All runs on a broker in the process, or with -endpoint on a RocketMQ that has
// the topics orders (NORMAL) and invoices (TRANSACTION), both empty, and the groups billing and audit.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// The topics and groups.
const (
	ordersTopic   = "orders"
	invoicesTopic = "invoices"
	billingGroup  = "billing"
	auditGroup    = "audit"
)

// options are those of the command line.
type options struct {
	endpoint string
	orders   int
	kills    int
	store    string
	worker   bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.endpoint, "endpoint", "", "the endpoint of a RocketMQ; without it a broker is run in this process")
	flag.IntVar(&o.orders, "orders", 2000, "how many orders there are")
	flag.IntVar(&o.kills, "kills", 3, "how often the worker is killed")
	flag.StringVar(&o.store, "store", "", "the worker's directory; without it one that is removed in the end")
	flag.BoolVar(&o.worker, "worker", false, "be the worker of another process")
	flag.Parse()
	var err error
	if o.worker {
		err = work(ctx, o, os.Stdin)
	} else {
		err = run(ctx, o, os.Stdout, os.Stderr)
	}
	if err != nil {
		log.New(os.Stderr, "", 0).Fatal(err)
	}
}

// run loads the orders, has them worked on under kills, and reports.
func run(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	if o.store == "" {
		if o.store, err = os.MkdirTemp("", "orders-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.store)) }()
	}
	if o.endpoint == "" {
		b, err := broker.Start(embedded())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		o.endpoint = b.Endpoint()
	}
	c, err := client.New(o.endpoint, client.WithPlaintext())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := load(ctx, c, o.orders); err != nil {
		return err
	}
	a, err := newAudit(c, o.orders)
	if err != nil {
		return err
	}
	kills, err := supervise(ctx, o, a, stderr)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "%d orders, worker killed %d times: %d invoices, %d orders without one, %d with more\n",
		o.orders, kills, a.invoices, a.missing(), a.twice()); err != nil {
		return err
	}
	if a.missing() > 0 || a.twice() > 0 {
		return errors.New("orders: there is not one invoice for each order")
	}
	return nil
}

// embedded is a broker that soon asks about transactions which are left open.
func embedded() broker.Options {
	return broker.Options{
		Topics: []broker.Topic{
			{Name: ordersTopic, Queues: 4}, {Name: invoicesTopic, Queues: 4, Type: broker.Transaction},
		},
		Groups: []broker.Group{{Name: billingGroup}, {Name: auditGroup}},
		Limits: broker.Limits{TransactionCheckInterval: time.Second, TransactionTimeout: time.Second},
	}
}
