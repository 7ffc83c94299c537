package chaosflow

import (
	"compress/gzip"
	"encoding/csv"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// file has the flights that left New York in January 2013.
const file = "../../examples/pipelines/flights/data/flights-2013-01.csv.gz"

// readFlights reads the file, without anything that a pipeline is made of.
func readFlights(t *testing.T) []Flight {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	text, err := gzip.NewReader(f)
	require.NoError(t, err)
	lines, err := csv.NewReader(text).ReadAll()
	require.NoError(t, err)
	column := make(map[string]int)
	for i, name := range lines[0] {
		column[name] = i
	}
	flights := make([]Flight, len(lines)-1)
	for i, line := range lines[1:] {
		hour, err := time.Parse(time.RFC3339, line[column["time_hour"]])
		require.NoError(t, err)
		minute, err := strconv.Atoi(line[column["minute"]])
		require.NoError(t, err)
		delay := 0
		if text := line[column["arr_delay"]]; text != "NA" {
			delay, err = strconv.Atoi(text)
			require.NoError(t, err)
		}
		flights[i] = Flight{
			ID: i + 1, Carrier: line[column["carrier"]], Delay: delay,
			Scheduled: hour.Add(time.Duration(minute) * time.Minute),
		}
	}
	return flights
}

func TestDiffering_TellsWhatIsMissingAndWhatIsNot(t *testing.T) {
	want := map[string]int{"same": 1, "other": 2, "missing": 0}
	got := map[string]int{"same": 1, "other": 3, "new": 0}
	require.ElementsMatch(t, []string{
		"other: want 2 (true), have 3 (true)", "missing: want 0 (true), have 0 (false)", "new: want 0 (false), have 0 (true)",
	}, differing(want, got))
	require.Empty(t, differing(want, want))
}

func TestCompute_HasAllOfJanuary(t *testing.T) {
	r := compute(readFlights(t))
	require.Len(t, r.rows, 27004)
	require.Len(t, r.totals, 16)
	require.Equal(t, 4637, r.totals["UA"])
	require.Equal(t, 1, r.totals["OO"])
	require.Len(t, r.hours, 5133)
	require.Equal(t, Tally{Flights: 10, Delay: 701}, r.hours[hour{"B6", "2013-01-31 22:00"}])
	require.Equal(t, Flight{
		ID: 3, Carrier: "AA", Scheduled: time.Date(2013, 1, 1, 10, 40, 0, 0, time.UTC), Delay: 33,
	}, r.rows[3])
}
