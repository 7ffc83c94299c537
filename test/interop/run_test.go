package interop

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell is a language whose programs are one script, which is given the name of the case.
func shell(build, script string) Language {
	return Language{
		Name:  "shell",
		Build: func(p Paths) [][]string { return [][]string{{"sh", "-c", build, "sh", p.Out}} },
		Run:   func(p Paths, name string) []string { return []string{"sh", "-c", script, name, p.Out, p.Home} },
	}
}

// run runs the language's programs of the cases on an embedded broker.
func run(t *testing.T, language Language, cases ...Case) ([]Outcome, *Runner) {
	t.Helper()
	server, err := target.StartEmbedded(broker.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close()) }()
	return runOn(t, server, language, cases...)
}

func runOn(t *testing.T, server target.Server, language Language, cases ...Case) ([]Outcome, *Runner) {
	t.Helper()
	var outcomes []Outcome
	r := newRunner(t, server, language, cases...)
	r.Report = func(o Outcome) { outcomes = append(outcomes, o) }
	require.NoError(t, r.Run(t.Context()))
	return outcomes, r
}

func newRunner(t *testing.T, server target.Server, language Language, cases ...Case) *Runner {
	t.Helper()
	r := &Runner{
		Servers: []target.Server{server}, Languages: []Language{language}, Cases: cases,
		Source: t.TempDir(), Out: t.TempDir(), Timeout: time.Minute,
	}
	require.NoError(t, os.Mkdir(filepath.Join(r.Source, language.Name), 0o755))
	return r
}

func greeting(name string) Case {
	return Case{Name: name, Topic: topic("FIFO", 3), Group: target.Group{Ordered: true}, Rows: [][]string{{"sent hello"}}}
}

func TestRun_PassesWhatPrintsTheLinesOfItsCase(t *testing.T) {
	outcomes, r := run(t, shell("touch $1/built", `test -e $1/built && cd $2 && test $HOME = $2 && echo a log && echo sent hello`), greeting("hello"))
	require.Equal(t, []Outcome{{Language: "shell", Case: "hello", Verdict: Pass}}, outcomes)
	log, err := os.ReadFile(filepath.Join(r.Out, "embedded", "shell-hello", "output.log"))
	require.NoError(t, err)
	require.Equal(t, "a log\nsent hello\n", string(log))
}

// The program is given its place by the environment; here it fails on purpose to have it reported.
func TestRun_GivesEachProgramATopicAndAGroup(t *testing.T) {
	_, r := run(t, shell("true", `echo $ROCKETMQ_ENDPOINT $ROCKETMQ_TOPIC $ROCKETMQ_GROUP; echo sent hello`), greeting("hello"))
	log, err := os.ReadFile(filepath.Join(r.Out, "embedded", "shell-hello", "output.log"))
	require.NoError(t, err)
	require.Regexp(t, `^127\.0\.0\.1:\d+ (t[a-z0-9]{8}-shell-hello-1) (t[a-z0-9]{8}-shell-hello-1)\n`, string(log))
}

func TestRun_FailsWhatEndsBadly(t *testing.T) {
	outcomes, _ := run(t, shell("true", `echo sent hello; exit 3`), greeting("hello"))
	require.Equal(t, Fail, outcomes[0].Verdict)
	require.Contains(t, outcomes[0].Reason, "exit status 3: see ")
}

func TestRun_FailsWhatPrintsSomethingElse(t *testing.T) {
	outcomes, _ := run(t, shell("true", `echo sent nothing`), greeting("hello"))
	require.Equal(t, Fail, outcomes[0].Verdict)
	require.Contains(t, outcomes[0].Reason, `unexpected "sent nothing"; missing "sent hello": see `)
}

func TestRun_FailsAllCasesWhoseProgramsCannotBeBuilt(t *testing.T) {
	outcomes, _ := run(t, shell("exit 4", "echo sent hello"), greeting("hello"), greeting("bye"))
	require.Len(t, outcomes, 2)
	for _, o := range outcomes {
		require.Equal(t, Fail, o.Verdict)
		require.Contains(t, o.Reason, "the programs cannot be built: exit status 4: see ")
	}
}

func TestRun_RunsOnAServerWithUsersTheCasesThatWantThem(t *testing.T) {
	guarded := greeting("guarded")
	guarded.Guarded = true
	open, _ := run(t, shell("true", `echo sent hello`), greeting("open"), guarded)
	require.Equal(t, []Outcome{{Language: "shell", Case: "open", Verdict: Pass}}, open)

	server, err := target.StartEmbedded(broker.Options{ACL: &broker.ACL{}})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close()) }()
	const script = `test $ROCKETMQ_ACCESS_KEY = $ROCKETMQ_TOPIC && test -n $ROCKETMQ_SECRET_KEY && echo sent hello`
	outcomes, _ := runOn(t, server, shell("true", script), greeting("open"), guarded)
	require.Equal(t, []Outcome{{Language: "shell", Case: "guarded", Verdict: Pass}}, outcomes)
}

// full says of every topic that it holds two messages.
type full struct{ target.Server }

func (full) Stored(context.Context, string) (int64, error) { return 2, nil }

func TestRun_RunsAProgramAnewWhoseClientHasSentAMessageTwice(t *testing.T) {
	server, err := target.StartEmbedded(broker.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close()) }()
	const script = `echo sent hello; test -e $1/again || echo sent hello; touch $1/again`
	outcomes, _ := runOn(t, full{server}, shell("true", script), greeting("hello"))
	require.Equal(t, "shell hello pass after a try in which the client sent a message twice", outcomes[0].String())
	outcomes, _ = runOn(t, full{server}, shell("true", `echo sent hello; echo sent hello`), greeting("hello"))
	require.Equal(t, "shell hello fail the client sent a message twice at each try", outcomes[0].String())
	outcomes, _ = runOn(t, server, shell("true", script), greeting("hello"))
	require.Equal(t, Fail, outcomes[0].Verdict, "the topic has one message at most")
}

func TestRun_SkipsWhatTheClientOrTheServerCannotDo(t *testing.T) {
	language := shell("exit 4", "")
	language.Skip = map[string]string{"hello": "it has no mouth"}
	bye := greeting("bye")
	bye.Skip = map[string]string{target.Embedded: "it stays", target.Local: "it leaves"}
	outcomes, _ := run(t, language, greeting("hello"), bye)
	require.Equal(t, []Outcome{
		{Language: "shell", Case: "hello", Verdict: Skip, Reason: "it has no mouth"},
		{Language: "shell", Case: "bye", Verdict: Skip, Reason: "it stays"},
	}, outcomes)
	require.Equal(t, "0 passed, 0 failed, 2 skipped", Summary(outcomes))
	require.Equal(t, "shell hello skip it has no mouth", outcomes[0].String())
}

func TestRun_BeginsNothingAfterItsContext(t *testing.T) {
	server, err := target.StartEmbedded(broker.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	var outcomes []Outcome
	r := newRunner(t, server, shell("true", "echo sent hello"), greeting("hello"), greeting("bye"))
	r.Report = func(o Outcome) {
		outcomes = append(outcomes, o)
		cancel()
	}
	require.ErrorIs(t, r.Run(ctx), context.Canceled)
	require.Equal(t, []Outcome{{Language: "shell", Case: "hello", Verdict: Pass}}, outcomes)
}

// The child would keep the output open, so run waits for it to be gone.
func TestCommand_EndsAProgramAndItsChildrenWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	heard := &signal{word: "sent hello\n", seen: func() { cancel(ErrTimeout) }}
	lines, err := command{args: []string{"sh", "-c", "sleep 600 & echo sent hello; wait"}, log: heard}.run(ctx)
	require.ErrorIs(t, err, ErrTimeout)
	require.Len(t, lines, 1)
	require.Equal(t, "sent hello", lines[0].text)
}

// signal calls seen when the word is written.
type signal struct {
	word string
	seen func()
}

func (s *signal) Write(p []byte) (int, error) {
	if string(p) == s.word {
		s.seen()
	}
	return len(p), nil
}
