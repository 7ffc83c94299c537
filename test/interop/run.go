package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rocketflow-io/rocketflow/test/rocketmq"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

const (
	buildTimeout  = 20 * time.Minute // the first time, dependencies are downloaded and compiled
	createTimeout = 30 * time.Second
	// DefaultTimeout is how long a program may take.
	DefaultTimeout = 2 * time.Minute
)

// Environment variables of a program, besides rocketmq.EndpointVariable.
const (
	TopicVariable = "ROCKETMQ_TOPIC"
	GroupVariable = "ROCKETMQ_GROUP"
)

// ErrTimeout ends a program that takes too long.
var ErrTimeout = errors.New("took too long")

// A Runner runs the programs of languages against a server.
type Runner struct {
	Server    target.Server
	Languages []Language
	Cases     []Case
	Source    string // the folder with those of the languages
	Out       string // the folder for what is built, and for the output of the programs
	Parallel  int    // how many programs run at once; 1 if less
	Timeout   time.Duration
	// Report is told of each outcome when it is known, by one goroutine at a time.
	Report func(Outcome)

	reporting sync.Mutex // guards outcomes, and calls of Report
	outcomes  []Outcome
}

// Run runs all cases in all languages and returns the outcomes in the order in which they came. It
// fails only if it cannot do its work; a program that cannot be built or started is an outcome.
func (r *Runner) Run(ctx context.Context) ([]Outcome, error) {
	r.outcomes = nil
	prefix := target.Prefix()
	var programs []program
	for _, language := range r.Languages {
		ready, err := r.prepare(ctx, language, prefix)
		if err != nil {
			return nil, err
		}
		programs = append(programs, ready...)
	}
	places := make(chan struct{}, max(r.Parallel, 1))
	var running sync.WaitGroup
	for _, p := range programs {
		places <- struct{}{}
		running.Go(func() {
			r.report(p.language.Name, p.spec.Name, p.run(ctx))
			<-places
		})
	}
	running.Wait()
	return r.outcomes, ctx.Err()
}

// report adds the outcome: a failure with the reason, or a pass if there is none.
func (r *Runner) report(language, name string, failure string) {
	o := Outcome{Language: language, Case: name, Verdict: Pass, Reason: failure}
	if failure != "" {
		o.Verdict = Fail
	}
	r.add(o)
}

func (r *Runner) add(o Outcome) {
	r.reporting.Lock()
	defer r.reporting.Unlock()
	r.outcomes = append(r.outcomes, o)
	r.Report(o)
}

// prepare builds the language's programs and returns those to run. It reports the cases that are
// skipped, and all others too if the programs cannot be built.
func (r *Runner) prepare(ctx context.Context, language Language, prefix string) ([]program, error) {
	var programs []program
	for _, spec := range r.Cases {
		reason := spec.Skip[r.Server.Mode()]
		if own, ok := language.Skip[spec.Name]; ok {
			reason = own
		}
		if reason != "" {
			r.add(Outcome{Language: language.Name, Case: spec.Name, Verdict: Skip, Reason: reason})
			continue
		}
		programs = append(programs, program{Runner: r, language: language, spec: spec, prefix: prefix})
	}
	if len(programs) == 0 {
		return nil, nil
	}
	failure, err := r.build(ctx, language)
	if err != nil || failure == "" {
		return programs, err
	}
	for _, p := range programs {
		r.report(language.Name, p.spec.Name, failure)
	}
	return nil, nil
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

// A program is one case in one language, with a topic and a group of its own.
type program struct {
	*Runner
	language Language
	spec     Case
	prefix   string
}

// run runs the program and tells why it failed; empty if it did not.
func (p program) run(ctx context.Context) (failure string) {
	name := p.prefix + "-" + p.language.Name + "-" + p.spec.Name
	if err := p.create(ctx, name); err != nil {
		return err.Error()
	}
	home := filepath.Join(p.Out, p.Server.Mode(), p.language.Name+"-"+p.spec.Name)
	lines, err := p.start(ctx, home, name)
	var problems []string
	if err != nil {
		problems = append(problems, err.Error())
	}
	if problems = append(problems, p.spec.check(lines)...); len(problems) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: see %s", strings.Join(problems, "; "), home)
}

// create creates the program's topic and group.
func (p program) create(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	topic, group := p.spec.Topic, p.spec.Group
	topic.Name, group.Name = name, name
	group.RetryMaxTimes = 16 // the server's default
	if p.spec.Lite {
		group.Lite = &target.Lite{Parent: name}
	}
	if err := p.Server.CreateTopic(ctx, topic); err != nil {
		return err
	}
	return p.Server.CreateGroup(ctx, group)
}

// start runs the program in a home which is made anew, and keeps its output there.
func (p program) start(ctx context.Context, home, name string) (lines []line, err error) {
	if err := errors.Join(os.RemoveAll(home), os.MkdirAll(home, 0o755)); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(home, "output.log"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout, fmt.Errorf("%w: ended after %v", ErrTimeout, p.Timeout))
	defer cancel()
	paths := p.paths(p.language)
	paths.Home = home
	return command{
		args: p.language.Run(paths, p.spec.Name),
		dir:  paths.Source,
		env: []string{
			rocketmq.EndpointVariable + "=" + p.Server.Endpoint(),
			TopicVariable + "=" + name,
			GroupVariable + "=" + name,
			"HOME=" + home,
		},
		log: log,
	}.run(ctx)
}
