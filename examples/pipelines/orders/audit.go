package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

// audit counts invoices as they come.
type audit struct {
	consumer *client.SimpleConsumer
	orders   int
	count    map[string]int // of invoices, by order
	seen     map[string]bool
	invoices int
}

func newAudit(c *client.Client, orders int) (*audit, error) {
	consumer, err := c.NewSimpleConsumer(auditGroup, map[string]client.Filter{invoicesTopic: client.All()}, client.WithAwait(time.Second))
	if err != nil {
		return nil, err
	}
	return &audit{consumer: consumer, orders: orders, count: make(map[string]int), seen: make(map[string]bool)}, nil
}

// next waits for a second for more invoices, and tells how many came.
func (a *audit) next(ctx context.Context) (int, error) {
	got, err := a.consumer.Receive(ctx, 32, time.Minute)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, d := range got {
		if a.seen[d.ID] {
			continue // the same message, delivered again
		}
		a.seen[d.ID] = true
		var i invoice
		if err := json.Unmarshal(d.Body, &i); err != nil {
			return n, fmt.Errorf("orders: invoice %s: %w", d.ID, err)
		}
		a.count[i.Order]++
		a.invoices++
		n++
	}
	return n, a.consumer.Ack(ctx, got...)
}

func (a *audit) missing() int { return a.orders - len(a.count) }

func (a *audit) twice() int {
	n := 0
	for _, times := range a.count {
		if times > 1 {
			n++
		}
	}
	return n
}

// supervise keeps a worker running until there is an invoice for each order, and for a while longer, in
// which a second one would come. It kills the worker so many times, at equal distances.
func supervise(ctx context.Context, o options, a *audit, stderr io.Writer) (kills int, err error) {
	w, err := startWorker(ctx, o, stderr)
	if err != nil {
		return 0, err
	}
	const quiet = 5
	for still := 0; a.missing() > 0 || still < quiet; {
		n, err := a.next(ctx)
		if err != nil {
			return kills, errors.Join(err, w.end())
		}
		if still++; n > 0 {
			still = 0
		}
		if kills < o.kills && a.invoices >= (kills+1)*o.orders/(o.kills+1) {
			if err := w.kill(); err != nil {
				return kills, err
			}
			kills++
			if w, err = startWorker(ctx, o, stderr); err != nil {
				return kills, err
			}
		}
	}
	return kills, w.end()
}

// worker is the process of the worker.
type worker struct {
	command *exec.Cmd
	input   io.Closer
}

func startWorker(ctx context.Context, o options, stderr io.Writer) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, "-worker", "-endpoint", o.endpoint, "-store", o.store) //nolint:gosec // this program
	command.Stderr = stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &worker{command, input}, command.Start()
}

// kill kills the worker; that it ends by that is no error.
func (w *worker) kill() error {
	err := w.command.Process.Kill()
	if waited := w.command.Wait(); waited == nil {
		return errors.New("orders: the worker ended before it was killed")
	}
	return err
}

// end lets the worker finish what it is at.
func (w *worker) end() error { return errors.Join(w.input.Close(), w.command.Wait()) }
