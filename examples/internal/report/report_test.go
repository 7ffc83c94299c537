package report

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/examples/internal/book"
	"github.com/rocketflow-io/rocketflow/examples/internal/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func result() check.Result {
	return check.Result{
		Counts: book.Counts{
			Read: 27004, Dropped: 606, Arrived: 26398, Late: 3843, Acked: 27004, Duplicates: 12,
			Carriers: map[string]book.Carrier{
				"OO": {Flights: 1, Minutes: 107}, "UA": {Flights: 4590, Minutes: 14577},
			},
		},
		Written: 3843, Sent: check.Unknown, Backlog: check.Unknown,
	}
}

func name(carrier string) string { return map[string]string{"UA": "United Air Lines Inc."}[carrier] }

func TestTable_ShowsCarriersAndCounts(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Table(&out, result(), name))
	for _, line := range []string{
		`(?m)^ +UA +4,590 +3\.176 +United Air Lines Inc\.$`, `(?m)^ +OO +1 +107\.000`,
		`read +27,004`, `with arrival delay +26,398`, `late +3,843`, `acked +27,004`,
		`duplicates +12`, `backlog +unknown`,
	} {
		require.Regexp(t, line, out.String())
	}
	require.NotContains(t, out.String(), "dead letters")
	dead := result()
	dead.Rejected = 2
	out.Reset()
	require.NoError(t, Table(&out, dead, name))
	require.Regexp(t, `dead letters +2`, out.String())
}

func TestPrint_EndsWithOneLineOfJSON(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Print(&out, result(), name, true))
	lines := bytes.Split(bytes.TrimSuffix(out.Bytes(), []byte("\n")), []byte("\n"))
	require.JSONEq(t, `{
		"read": 27004, "with_arrival_delay": 26398, "late": 3843, "acked": 27004, "duplicates": 12,
		"carriers": {
			"OO": {"flights": 1, "average_delay": 107},
			"UA": {"flights": 4590, "average_delay": 3.1758169934640523}
		}
	}`, string(lines[len(lines)-1]))
	out.Reset()
	require.NoError(t, Print(&out, result(), name, false))
	require.NotContains(t, out.String(), "{")
}

func TestPrint_FailsWhereNobodyReads(t *testing.T) {
	closed := errors.New("closed pipe")
	require.ErrorIs(t, Print(broken{closed}, result(), name, true), closed)
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestThousands_PutsCommas(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 27004: "27,004", 1234567: "1,234,567", -1: "unknown"} {
		require.Equal(t, want, Thousands(n))
	}
}

func TestProgress_ShowsNothingWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	failed := errors.New("failed")
	err := Progress(&out, "loading", func() (int, int) { return 1, 2 }, func() error { return failed })
	require.Equal(t, failed, err)
	require.Empty(t, out.String())
}

func TestProgress_CountsUpToTheTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for what, total := range map[string]int{"loading": 0, "processing": 40} {
			var out bytes.Buffer
			began := time.Now()
			count := func() (int, int) { return int(time.Since(began) / refresh), total }
			require.NoError(t, show(&out, what, count, func() error {
				time.Sleep(40 * refresh)
				return nil
			}))
			require.Contains(t, out.String(), what)
			require.Regexp(t, `\(7/(-|40), `, out.String())
			require.Regexp(t, `\(40/(-|40)[^\r]*\n$`, out.String())
		}
	})
}
