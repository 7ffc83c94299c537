package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

const (
	// parallel is how many rows run at a time. Most of them wait; more would disturb their timings.
	parallel = 32
	// rowTimeout bounds a row, and aloneTimeout one that runs alone and may restart the server.
	rowTimeout   = 5 * time.Minute
	aloneTimeout = 15 * time.Minute
)

// The statuses of an outcome.
const (
	Pass = "pass"
	Fail = "fail"
	Skip = "skip"
)

// Outcome is what became of a row.
type Outcome struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Branch string `json:"branch,omitempty"` // what an Either row saw
	Reason string `json:"reason,omitempty"` // of a failure or a skip, on one line
}

// Run runs the rows against the server and returns an outcome for each, in their order, in which it
// calls report too, one call at a time, as soon as a row and all before it have ended. It fails only
// if the server cannot be dialled.
func Run(ctx context.Context, server target.Server, rows []Row, report func(Outcome)) (outcomes []Outcome, err error) {
	conn, err := server.Dial(insecure.NewCredentials())
	if err != nil {
		return nil, fmt.Errorf("conformance: dial the server: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()

	prefix := target.Prefix()
	outcomes = make([]Outcome, len(rows))
	lanes := newLanes()
	ended := make([]chan struct{}, len(rows))
	for i := range ended {
		ended[i] = make(chan struct{})
	}
	var running sync.WaitGroup
	running.Go(func() {
		for i := range ended {
			<-ended[i]
			report(outcomes[i])
		}
	})
	for i, row := range rows {
		lanes.enter()
		running.Go(func() {
			env := &Env{server: server, conn: conn, prefix: prefix + "-" + row.ID, lanes: lanes}
			outcomes[i] = env.run(ctx, row)
			env.leave()
			close(ended[i])
		})
	}
	running.Wait()
	return outcomes, nil
}

// run runs a row, in a goroutine of its own since a failed requirement ends it, and its cleanups.
// A row that panics, as over an answer without the entry that it looks for, has failed.
func (e *Env) run(ctx context.Context, row Row) Outcome {
	e.whole = ctx
	ctx, cancel := context.WithTimeout(ctx, rowTimeout)
	defer cancel()
	e.ctx = ctx
	var running sync.WaitGroup
	running.Go(func() {
		defer e.close()
		defer func() {
			if cause := recover(); cause != nil {
				e.Errorf("Error: panic: %v", cause)
			}
		}()
		row.Run(e)
	})
	running.Wait()
	return e.outcome(row)
}

func (e *Env) outcome(row Row) Outcome {
	o := Outcome{ID: row.ID, Status: Pass, Branch: e.branch}
	switch {
	case e.failure != "":
		o.Status, o.Reason = Fail, oneLine(e.failure)
	case e.skipped != "":
		o.Status, o.Reason = Skip, e.skipped
	case row.Mark == Either && e.branch == "":
		o.Status, o.Reason = Fail, "the row did not say which behaviour it saw"
	}
	return o
}

// oneLine makes a line of testify's report, without its stack.
func oneLine(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		if word == "Error:" {
			words = words[i+1:]
			break
		}
	}
	return strings.Join(words, " ")
}

// String returns the outcome as a line: id, status, and what was seen or why.
func (o Outcome) String() string {
	return strings.Join(strings.Fields(strings.Join([]string{o.ID, o.Status, o.Branch, o.Reason}, " ")), " ")
}

// Summary counts the outcomes by status.
func Summary(outcomes []Outcome) string {
	count := map[string]int{}
	for _, o := range outcomes {
		count[o.Status]++
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", count[Pass], count[Fail], count[Skip])
}
