package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rocketflow-io/rocketflow/test/rocketmq"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

// tries is how often a program is run whose client has repeated a request that was carried out.
const tries = 3

// A program is one case in one language, with a topic and a group of its own.
type program struct {
	*Runner
	server   target.Server
	language Language
	spec     Case
	prefix   string
}

// run runs the program and tells how it went. A client that waits in vain for the receipt of a
// message, because the machine has too much to do, sends it again, and it is there twice, as it has
// to be. Such a run tells nothing of the server, so the program is run anew.
func (p program) run(ctx context.Context) (v Verdict, reason string) {
	for i := range tries {
		name := fmt.Sprintf("%s-%s-%s-%d", p.prefix, p.language.Name, p.spec.Name, i+1)
		failure := p.try(ctx, name)
		if failure == "" {
			return Pass, reason
		}
		if stored, err := p.server.Stored(ctx, name); err != nil || stored <= int64(p.spec.stored()) {
			return Fail, failure
		}
		reason = "after a try in which the client sent a message twice"
	}
	return Fail, "the client sent a message twice at each try"
}

// try runs the program once, with a topic and a group of the name, and tells why it failed; empty if
// it did not.
func (p program) try(ctx context.Context, name string) (failure string) {
	if err := p.create(ctx, name); err != nil {
		return err.Error()
	}
	home := filepath.Join(p.Out, p.server.Mode(), p.language.Name+"-"+p.spec.Name)
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

// secret is that of the user of a program, who is named as its topic.
const secret = "of-the-program"

// create creates the program's topic and group, and its user if the server wants one.
func (p program) create(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	topic, group := p.spec.Topic, p.spec.Group
	topic.Name, group.Name = name, name
	group.RetryMaxTimes = 16 // the server's default
	if p.spec.Lite {
		group.Lite = &target.Lite{Parent: name}
	}
	if err := p.server.CreateTopic(ctx, topic); err != nil {
		return err
	}
	if err := p.server.CreateGroup(ctx, group); err != nil || !p.spec.Guarded {
		return err
	}
	return p.server.CreateUser(ctx, target.User{Name: name, Secret: secret, Policies: []target.Policy{
		{Resource: "Topic:" + name, Actions: []string{"Pub", "Sub"}},
		{Resource: "Group:" + name, Actions: []string{"Sub"}},
	}})
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
			rocketmq.EndpointVariable + "=" + p.server.Endpoint(),
			TopicVariable + "=" + name,
			GroupVariable + "=" + name,
			rocketmq.AccessKeyVariable + "=" + name,
			rocketmq.SecretKeyVariable + "=" + secret,
			"HOME=" + home,
		},
		log: log,
	}.run(ctx)
}
