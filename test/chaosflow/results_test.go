package chaosflow

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/rocketmq/admin"
)

// results is what the job comes to.
type results struct {
	rows   map[int]Flight
	totals map[string]int // of each carrier
	hours  map[hour]Tally
}

type hour struct{ carrier, begins string }

const beginFormat = "2006-01-02 15:04"

// compute gives what the job has to come to.
func compute(flights []Flight) results {
	r := results{rows: make(map[int]Flight), totals: make(map[string]int), hours: make(map[hour]Tally)}
	for _, f := range flights {
		r.rows[f.ID] = f
		r.totals[f.Carrier]++
		h := hour{f.Carrier, f.Scheduled.Truncate(time.Hour).Format(beginFormat)}
		r.hours[h] = Tally{r.hours[h].Flights + 1, r.hours[h].Delay + f.Delay}
	}
	return r
}

// lastRevisions asks for the result of each pane that counts.
const lastRevisions = "SELECT DISTINCT ON (pane) carrier, hour, flights, delay FROM hours ORDER BY pane, revision DESC"

// results reads what the job has come to.
func (r *run) results() results {
	r.Helper()
	flights := collect[Flight](r, "SELECT id, carrier, scheduled, delay FROM flights")
	totals, err := r.totals(r.Context())
	require.NoError(r, err)
	res := results{rows: make(map[int]Flight), totals: totals, hours: make(map[hour]Tally)}
	for _, f := range flights {
		f.Scheduled = f.Scheduled.UTC()
		res.rows[f.ID] = f
	}
	type pane struct {
		Carrier        string
		Hour           time.Time
		Flights, Delay int
	}
	for _, p := range collect[pane](r, lastRevisions) {
		h := hour{p.Carrier, p.Hour.UTC().Format(beginFormat)}
		require.NotContains(r, res.hours, h, "an hour with two panes")
		res.hours[h] = Tally{p.Flights, p.Delay}
	}
	return res
}

// collect gives the rows that a query finds.
func collect[T any](r *run, query string) []T {
	r.Helper()
	found, err := r.pool.Query(r.Context(), query)
	require.NoError(r, err)
	all, err := pgx.CollectRows(found, pgx.RowToStructByPos[T])
	require.NoError(r, err)
	return all
}

// number gives the one number that a query finds.
func (r *run) number(query string) (n int) {
	r.Helper()
	require.NoError(r, r.pool.QueryRow(r.Context(), query).Scan(&n))
	return n
}

// requireResults fails unless the job has come to what it has to, and shows some of what differs.
func (r *run) requireResults() {
	r.Helper()
	want, got := r.want, r.results()
	require.Empty(r, differing(want.rows, got.rows), "rows that are missing, or not as they should be")
	require.Empty(r, differing(want.totals, got.totals), "totals that are missing, or not as they should be")
	require.Empty(r, differing(want.hours, got.hours), "hours that are missing, or not as they should be")
	require.Zero(r, r.number("SELECT count(*) FROM late"), "late flights")
	require.Zero(r, r.number(`SELECT count(*) FROM (SELECT FROM hours GROUP BY pane, revision
		HAVING count(DISTINCT (flights, delay)) > 1) AS revisions`), "revisions with two values")
	r.requireNoDeadLetters()
}

// differing gives what two maps have for keys at which they differ, for 20 of them at most.
func differing[K, V comparable](want, got map[K]V) (found []string) {
	keys := maps.Clone(want)
	maps.Copy(keys, got)
	for k := range keys {
		w, wanted := want[k]
		g, there := got[k]
		if w == g && wanted == there {
			continue
		}
		if found = append(found, fmt.Sprintf("%v: want %v (%t), have %v (%t)", k, w, wanted, g, there)); len(found) == 20 {
			break
		}
	}
	return found
}

// requireNoDeadLetters fails if the group has a topic of dead letters, and anything is in it.
func (r *run) requireNoDeadLetters() {
	r.Helper()
	dead, err := r.Stored(r.Context(), "%DLQ%"+r.group)
	var refused *admin.Error
	if errors.As(err, &refused) && refused.Code == admin.CodeTopicNotExist {
		return
	}
	require.NoError(r, err)
	require.Zero(r, dead, "dead letters")
}

// told gives the figures of a run.
func (r *run) told() string {
	r.Helper()
	seen, err := ReadJournals(r.crew.dir)
	require.NoError(r, err)
	sent, err := r.Stored(r.Context(), r.topic)
	require.NoError(r, err)
	return fmt.Sprintf("%d messages stored; %v; %d rows written once more; %d results of %d hours, revisions up to %d, %d of them given again",
		sent, seen, r.number("SELECT sum(writes - 1) FROM flights"), r.number("SELECT count(*) FROM hours"),
		r.number("SELECT count(DISTINCT pane) FROM hours"), r.number("SELECT max(revision) FROM hours"),
		r.number("SELECT count(*) - count(DISTINCT (pane, revision)) FROM hours"))
}
