package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/examples/internal/check"
)

// childVariable makes the test's own program do the job instead: see startChild.
const childVariable = "FLIGHTS_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// counts is what the job prints with -json.
type counts struct {
	Read             int `json:"read"`
	WithArrivalDelay int `json:"with_arrival_delay"`
	Late             int `json:"late"`
	Acked            int `json:"acked"`
	Duplicates       int `json:"duplicates"`
	DeadLetters      int `json:"dead_letters"`
	Carriers         map[string]struct {
		Flights      int     `json:"flights"`
		AverageDelay float64 `json:"average_delay"`
	} `json:"carriers"`
}

func countsOf(t *testing.T, stdout string) (c counts) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &c), stdout)
	return c
}

// doJob runs the job in this process.
func doJob(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = run(t.Context(), args, &out, &errOut)
	return code, out.String(), errOut.String()
}

// requireJanuary checks the counts of the flights that are built in.
func requireJanuary(t *testing.T, c counts) {
	t.Helper()
	require.Equal(t, []int{27004, 26398, 3843, 27004, 0}, []int{c.Read, c.WithArrivalDelay, c.Late, c.Acked, c.DeadLetters})
	require.Len(t, c.Carriers, 16)
	for code, want := range map[string]struct {
		flights int
		average float64
	}{"UA": {4590, 3.176}, "EV": {3964, 25.160}, "HA": {31, 27.484}, "OO": {1, 107}} {
		require.Equal(t, want.flights, c.Carriers[code].Flights, code)
		require.InDelta(t, want.average, c.Carriers[code].AverageDelay, 0.0005, code)
	}
}

func TestFlights_CountsThoseOfJanuary(t *testing.T) {
	out := t.TempDir()
	code, stdout, stderr := doJob(t, "-json", "-run", "january", "-out", out)
	require.Zero(t, code, stderr)
	c := countsOf(t, stdout)
	requireJanuary(t, c)
	require.Zero(t, c.Duplicates)
	require.Regexp(t, `UA +4,590 +3\.176`, stdout)
	require.Regexp(t, `backlog +0`, stdout)
	written, err := check.Rows(filepath.Join(out, "late-flights-january.jsonl"))
	require.NoError(t, err)
	require.Equal(t, 3843, written)
}

const header = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay," +
	"carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n"

// flightWith is a row with this arrival delay.
func flightWith(delay string) string {
	return "2013,1,1,517,515,2,830,819," + delay + ",UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n"
}

func csvFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mine.csv")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFlights_PutsBadRowsIntoADeadLetterFileAndGoesOn(t *testing.T) {
	file := csvFile(t, header+flightWith("30")+"2013,1,1\n"+flightWith("NA")+flightWith("late")+flightWith("29"))
	out := t.TempDir()
	code, stdout, stderr := doJob(t, "-json", "-flights", file, "-run", "bad", "-out", out)
	require.Zero(t, code, stderr)
	c := countsOf(t, stdout)
	require.Equal(t, []int{5, 2, 1, 3, 2}, []int{c.Read, c.WithArrivalDelay, c.Late, c.Acked, c.DeadLetters})

	letters, err := os.ReadFile(filepath.Join(out, "dead-letters-bad.jsonl"))
	require.NoError(t, err)
	var got [][2]string
	for line := range bytes.Lines(letters) {
		var letter struct{ Position, Error string }
		require.NoError(t, json.Unmarshal(line, &letter))
		got = append(got, [2]string{letter.Position, letter.Error})
	}
	require.Len(t, got, 2)
	require.Equal(t, file+":3", got[0][0])
	require.Contains(t, got[0][1], "record has 3 fields, the header has 19")
	require.Equal(t, file+":5", got[1][0])
	require.Contains(t, got[1][1], `column "arr_delay": "late"`)
}

func TestFlights_CountsAgainWhatAnEmbeddedBrokerForgot(t *testing.T) {
	file := csvFile(t, header+flightWith("30")+flightWith("NA")+flightWith("1"))
	args := []string{"-json", "-flights", file, "-run", "twice", "-out", t.TempDir()}
	for duplicates := range 3 {
		code, stdout, stderr := doJob(t, args...)
		require.Zero(t, code, stderr)
		c := countsOf(t, stdout)
		require.Equal(t, []int{3, 2, 1, 3, 3 * duplicates}, []int{c.Read, c.WithArrivalDelay, c.Late, c.Acked, c.Duplicates})
	}
}

func TestFlights_RefusesAnotherFileForTheSameRun(t *testing.T) {
	args := []string{"-run", "one", "-out", t.TempDir()}
	code, _, stderr := doJob(t, append(args, "-flights", csvFile(t, header+flightWith("1")))...)
	require.Zero(t, code, stderr)
	code, _, stderr = doJob(t, args...)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, `of the file "mine.csv", not of "built in": choose another -run`)
}

func TestFlights_FailsWhereItCannotBegin(t *testing.T) {
	notAFolder := csvFile(t, header)
	for name, c := range map[string]struct {
		args   []string
		stderr string
	}{
		"no endpoint":      {[]string{"-endpoint", "127.0.0.1:1", "-run", "x"}, "endpoint unreachable (127.0.0.1:1"},
		"bad endpoint":     {[]string{"-endpoint", "a b", "-run", "x"}, "write host:port"},
		"endpoint, no run": {[]string{"-endpoint", "127.0.0.1:1"}, "-endpoint without -run"},
		"bad run":          {[]string{"-run", "a/b"}, `-run "a/b"`},
		"short lease":      {[]string{"-lease", "1s"}, "-lease 1s"},
		"unknown flag":     {[]string{"-fly"}, "not defined"},
		"an argument":      {[]string{"fly"}, `argument "fly"`},
		"no such file":     {[]string{"-flights", "none.csv"}, "none.csv"},
		"other columns":    {[]string{"-flights", csvFile(t, "a,b\n1,2\n")}, `there is no column "year"`},
		"no folder":        {[]string{"-out", filepath.Join(notAFolder, "x")}, notAFolder},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := doJob(t, append([]string{"-out", t.TempDir()}, c.args...)...)
			require.Equal(t, 1, code)
			require.Contains(t, stderr, c.stderr)
		})
	}
	code, _, stderr := doJob(t, "-help")
	require.Zero(t, code)
	require.Contains(t, stderr, "-endpoint")
}

func TestFlights_EndsWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	require.Equal(t, 1, run(ctx, []string{"-out", t.TempDir()}, &out, &errOut))
	require.Contains(t, errOut.String(), context.Canceled.Error())
}
