// Command cmd runs a command with a real RocketMQ server:
//
//	go run ./rocketmq/cmd [-mode local|cluster] [-acl] [-topic NAME[:TYPE[:QUEUES]]]… [-group NAME[:ordered]]… -- COMMAND ARGS…
//
// It starts the server, creates the topics and groups, runs the command with the server's
// addresses in its environment (ROCKETMQ_ENDPOINT, ROCKETMQ_BROKER, ROCKETMQ_NAMESRV,
// ROCKETMQ_MODE, and ROCKETMQ_CONTROL to restart it), takes the server down and exits with the
// command's code. Without a command it keeps the server up until it is interrupted. With -acl the
// server serves users alone; the credentials of one who may do everything are in ROCKETMQ_ACCESS_KEY
// and ROCKETMQ_SECRET_KEY.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rocketflow-io/rocketflow/test/rocketmq"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with what it takes from the process handed in; it returns the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("rocketmq", flag.ContinueOnError)
	flags.SetOutput(errOut)
	mode := flags.String("mode", string(rocketmq.Local), "local: broker inside the proxy; cluster: broker beside it")
	acl := flags.Bool("acl", false, "serve users alone, of whom the environment of the command has one who may do everything")
	var wanted wanted
	flags.Func("topic", "create the topic `NAME[:TYPE[:QUEUES]]`, of type NORMAL with 8 queues if unsaid; may be repeated", wanted.addTopic)
	flags.Func("group", "create the consumer group `NAME[:ordered]`; may be repeated", wanted.addGroup)
	if err := flags.Parse(args); err != nil {
		return 2
	}
	log := slog.New(slog.NewTextHandler(errOut, nil))
	server, err := rocketmq.Start(ctx, rocketmq.Options{Mode: rocketmq.Mode(*mode), ACL: *acl, Log: log})
	if err != nil {
		report(errOut, err)
		return 1
	}
	code, err := 0, wanted.create(ctx, server)
	if err == nil {
		code, err = controlled(ctx, server, flags.Args(), out, errOut)
	}
	log.Info("taking the server down")
	if err := errors.Join(err, server.Stop()); err != nil {
		report(errOut, err)
		return 1
	}
	return code
}

// report writes the error as it is, with the lines of the server's logs that it has.
func report(errOut io.Writer, err error) {
	_, _ = fmt.Fprintln(errOut, err) // there is nowhere left to tell of a failure
}

// controlled runs the command, which can have the server restarted.
func controlled(ctx context.Context, server *rocketmq.Server, command []string, out, errOut io.Writer) (int, error) {
	control, err := rocketmq.ServeControl(server)
	if err != nil {
		return 0, err
	}
	code, err := with(ctx, append(server.Env(), control.Env()...), command, out, errOut)
	return code, errors.Join(err, control.Close())
}

// with runs the command with env added to its environment and returns its exit code. When ctx
// ends, the command and its children are asked to end, and killed if they have not after a while.
func with(ctx context.Context, env, command []string, out, errOut io.Writer) (int, error) {
	if len(command) == 0 {
		_, err := fmt.Fprintf(out, "export %s\n", strings.Join(env, " "))
		<-ctx.Done()
		return 0, err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, errOut
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("rocketmq: run the command: %w", err)
	}
	err := cmd.Wait()
	// Children that the command has left behind would go on against a server that is gone.
	if killErr := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); killErr != nil && !errors.Is(killErr, syscall.ESRCH) {
		return 0, fmt.Errorf("rocketmq: end the command: %w", killErr)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}
