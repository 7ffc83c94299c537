package conformance

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// All rows run against a broker without a network, in virtual time: what takes minutes by the
// clock is over as soon as it has been computed.
func TestConformance(t *testing.T) {
	known := knownDifferences(t)
	for _, o := range runInMemory(t, broker.Options{Dir: t.TempDir(), SyncEvery: time.Second}, Rows()) {
		t.Log(o)
		assert.NotEqual(t, Fail, o.Status, "%s: %s", o.ID, o.Reason)
		for _, k := range known {
			if k.ID == o.ID && k.Embedded != anything {
				assert.Equal(t, k.Embedded, o.result(), "row %s", o.ID) // the sane branch
			}
		}
	}
}

func TestConformance_OfABrokerThatServesUsersAlone(t *testing.T) {
	for _, o := range runInMemory(t, broker.Options{ACL: new(broker.ACL)}, GuardedRows()) {
		t.Log(o)
		assert.NotEqual(t, Fail, o.Status, "%s: %s", o.ID, o.Reason)
	}
}

// Rows that pass everywhere would say nothing.
func TestConformance_FailsABrokerThatDiffers(t *testing.T) {
	tests := map[string]struct {
		options broker.Options
		fail    []string
	}{
		"late redelivery":             {broker.Options{Limits: broker.Limits{RedeliveryDelay: 30 * time.Second}}, []string{"AC7", "CI1", "CI3", "DL1", "TM2"}},
		"short polls":                 {broker.Options{Limits: broker.Limits{MinPolling: time.Second}}, []string{"RE2", "RE4"}},
		"long polls":                  {broker.Options{Limits: broker.Limits{MaxPolling: 30 * time.Second}}, []string{"RE3"}},
		"short invisible":             {broker.Options{Limits: broker.Limits{MinInvisible: time.Second}}, []string{"RE7"}},
		"rare checks":                 {broker.Options{Limits: broker.Limits{TransactionCheckInterval: 10 * time.Minute}}, []string{"TX2", "TX5", "TX6", "TX8"}},
		"early checks":                {broker.Options{Limits: broker.Limits{TransactionCheckInterval: time.Second, TransactionTimeout: time.Second}}, []string{"TX5"}},
		"patient transactions":        {broker.Options{Limits: broker.Limits{TransactionExpiry: time.Minute}}, []string{"TX9"}},
		"topics that make themselves": {broker.Options{AutoCreate: true}, []string{"RT3"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			failed := map[string]bool{}
			for _, o := range runInMemory(t, test.options, Rows()) {
				failed[o.ID] = o.Status == Fail
			}
			for _, id := range test.fail {
				assert.True(t, failed[id], "row %s passes", id)
			}
		})
	}
}

func TestRun_ReportsWhatBecameOfEachRow(t *testing.T) {
	rows := []Row{
		{"P", "", Equal, func(*Env) {}},
		{"F", "", Equal, func(e *Env) { require.Equal(e, 1, 2, "sum") }},
		{"S", "", Equal, func(e *Env) { e.Skip("no port") }},
		{"B", "", Either, func(e *Env) { e.Saw("this") }},
		{"N", "", Either, func(*Env) {}},
		{"X", "", Equal, func(*Env) { panic("index out of range") }},
		{"C", "", Equal, func(e *Env) { e.Cleanup(func() { e.Errorf("Error: late") }) }},
	}
	require.Equal(t, []Outcome{
		{ID: "P", Status: Pass},
		{ID: "F", Status: Fail, Reason: "Not equal: expected: 1 actual : 2 Messages: sum"},
		{ID: "S", Status: Skip, Reason: "no port"},
		{ID: "B", Status: Pass, Branch: "this"},
		{ID: "N", Status: Fail, Reason: "the row did not say which behaviour it saw"},
		{ID: "X", Status: Fail, Reason: "panic: index out of range"},
		{ID: "C", Status: Fail, Reason: "late"},
	}, runInMemory(t, broker.Options{}, rows))
}

func TestRows_HaveIDsOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range append(Rows(), GuardedRows()...) {
		require.False(t, seen[row.ID], "id %s", row.ID)
		seen[row.ID] = true
		require.NotEmpty(t, row.Doc, "doc of %s", row.ID)
	}
}

// The description of the protocol that this project was built by numbers what it observed; each number
// has a row.
func TestRows_AccountForTheWholeDescription(t *testing.T) {
	ids := map[string]bool{}
	for _, row := range append(Rows(), GuardedRows()...) {
		ids[row.ID] = true
	}
	require.True(t, ids["RE3b"])
	for subject, n := range map[string]int{
		"TR": 6, "RT": 9, "AS": 4, "TE": 11, "HB": 4, "TM": 2, "SE": 30, "RE": 22, "AC": 9, "CI": 9, "DL": 6, "FI": 12,
		"DE": 6, "TX": 9, "PR": 2, "FL": 9, "AU": 2, "LI": 2,
	} {
		for i := range n {
			require.True(t, ids[fmt.Sprint(subject, i+1)], "row %s%d", subject, i+1)
		}
	}
}

func runInMemory(t *testing.T, o broker.Options, rows []Row) (outcomes []Outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.InMemory = true
		server, err := target.StartEmbedded(o)
		require.NoError(t, err)
		defer func() { require.NoError(t, server.Close()) }()
		outcomes, err = Run(t.Context(), server, rows, func(Outcome) {})
		require.NoError(t, err)
	})
	return outcomes
}
