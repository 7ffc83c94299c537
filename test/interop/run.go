package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

const (
	buildTimeout  = 20 * time.Minute // the first time, dependencies are downloaded and compiled
	createTimeout = 30 * time.Second
	// DefaultTimeout is how long a program may take. Most need a few seconds, and more on a machine
	// that has much else to do.
	DefaultTimeout = 5 * time.Minute
)

// Environment variables of a program, besides rocketmq.EndpointVariable.
const (
	TopicVariable = "ROCKETMQ_TOPIC"
	GroupVariable = "ROCKETMQ_GROUP"
)

// ErrTimeout ends a program that takes too long.
var ErrTimeout = errors.New("took too long")

// A Runner runs the programs of languages against servers.
type Runner struct {
	Servers   []target.Server // each case runs on those that are as it wants them, by its Guarded
	Languages []Language
	Cases     []Case
	Source    string // the folder with those of the languages
	Out       string // the folder for what is built, and for the output of the programs
	Parallel  int    // how many programs run at once; 1 if less
	Timeout   time.Duration
	// Report is told of each outcome when it is known, by one goroutine at a time.
	Report func(Outcome)

	reporting sync.Mutex // held for each call of Report
}

// Run runs all cases in all languages and reports how they went. It fails only if it cannot do its
// work; a program that cannot be built or started is an outcome. The programs of a language run while
// those of the next are built. When ctx ends, what has not begun is not told of.
func (r *Runner) Run(ctx context.Context) error {
	prefix := target.Prefix()
	programs := make(chan program, len(r.Servers)*len(r.Languages)*len(r.Cases)) // room for all
	var running sync.WaitGroup
	for range max(r.Parallel, 1) {
		running.Go(func() {
			for p := range programs {
				if ctx.Err() != nil {
					return
				}
				verdict, reason := p.run(ctx)
				r.report(Outcome{Language: p.language.Name, Case: p.spec.Name, Verdict: verdict, Reason: reason})
			}
		})
	}
	var failures error
	for _, language := range r.Languages {
		if ctx.Err() != nil {
			break
		}
		ready, err := r.prepare(ctx, language, prefix)
		failures = errors.Join(failures, err)
		for _, p := range ready {
			programs <- p
		}
	}
	close(programs)
	running.Wait()
	return errors.Join(failures, ctx.Err())
}

// report calls Report for one at a time.
func (r *Runner) report(o Outcome) {
	r.reporting.Lock()
	defer r.reporting.Unlock()
	r.Report(o)
}

// prepare builds the language's programs and returns those to run. It reports the cases that are
// skipped, and all others too if the programs cannot be built.
func (r *Runner) prepare(ctx context.Context, language Language, prefix string) ([]program, error) {
	var programs []program
	for _, server := range r.Servers {
		for _, spec := range r.Cases {
			if spec.Guarded != server.Guarded() {
				continue
			}
			if reason := skipped(language, spec, server.Mode()); reason != "" {
				r.report(Outcome{Language: language.Name, Case: spec.Name, Verdict: Skip, Reason: reason})
				continue
			}
			programs = append(programs, program{Runner: r, server: server, language: language, spec: spec, prefix: prefix})
		}
	}
	if len(programs) == 0 {
		return nil, nil
	}
	failure, err := r.build(ctx, language)
	if err != nil || failure == "" {
		return programs, err
	}
	for _, p := range programs {
		r.report(Outcome{Language: language.Name, Case: p.spec.Name, Verdict: Fail, Reason: failure})
	}
	return nil, nil
}

// skipped tells why the client or the server cannot do the case; empty if they can.
func skipped(language Language, spec Case, mode string) string {
	if reason, ok := language.Skip[spec.Name]; ok {
		return reason
	}
	return spec.Skip[mode]
}

// build builds the programs of the language, and tells why it could not.
func (r *Runner) build(ctx context.Context, language Language) (failure string, err error) {
	paths := r.paths(language)
	if err := os.MkdirAll(paths.Out, 0o755); err != nil {
		return "", fmt.Errorf("interop: make a folder for the programs: %w", err)
	}
	path := filepath.Join(r.Out, language.Name+"-build.log")
	log, err := os.Create(path)
	if err != nil {
		return "", fmt.Errorf("interop: write down the output of the build: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	ctx, cancel := context.WithTimeoutCause(ctx, buildTimeout, ErrTimeout)
	defer cancel()
	for _, args := range language.Build(paths) {
		if _, err := (command{args: args, dir: paths.Source, log: log}).run(ctx); err != nil {
			return fmt.Sprintf("the programs cannot be built: %v: see %s", err, path), nil
		}
	}
	return "", nil
}

func (r *Runner) paths(language Language) Paths {
	return Paths{Source: filepath.Join(r.Source, language.Name), Out: filepath.Join(r.Out, "programs", language.Name)}
}
