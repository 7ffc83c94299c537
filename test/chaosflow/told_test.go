package chaosflow

import (
	"fmt"

	"github.com/stretchr/testify/require"
)

// told gives the figures of a run.
func (r *run) told(flights []Flight) string {
	r.Helper()
	seen, err := ReadJournals(r.crew.dir)
	require.NoError(r, err)
	sent, err := r.Stored(r.Context(), r.topic)
	require.NoError(r, err)
	var written int
	require.NoError(r, r.pool.QueryRow(r.Context(), "SELECT sum(writes) FROM flights").Scan(&written))
	return fmt.Sprintf("%d flights, %d messages stored for them; %d deliveries, %d of them by a later attempt, up to the %d.; %d rows written once more",
		len(flights), sent, seen.Total, seen.Again, seen.Attempt, written-len(flights))
}
