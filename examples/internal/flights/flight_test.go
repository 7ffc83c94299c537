package flights

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
)

func flight() Flight {
	return Flight{
		Row: 17, Year: 2013, Month: 1, Day: 31,
		DepTime: Int(517), SchedDepTime: Int(515), DepDelay: Int(2),
		ArrTime: Int(830), SchedArrTime: Int(800), ArrDelay: Int(30),
		Carrier: "UA", Number: 1545, TailNumber: "N14228", Origin: "EWR", Destination: "SJU",
		Distance: Int(1608), Hour: Int(5), Minute: Int(15),
		ScheduledHour: time.Date(2013, 1, 31, 10, 0, 0, 0, time.UTC),
	}
}

func TestParse_ReadsWhatMessageMade(t *testing.T) {
	m, err := Message(flight())
	require.NoError(t, err)
	require.Equal(t, []string{"17"}, m.Keys)
	f, err := Parse(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, flight(), f)
}

func TestParse_RefusesWhatIsNoFlight(t *testing.T) {
	for name, c := range map[string]struct {
		message client.Message
		reason  string
	}{
		"no key":           {client.Message{Body: []byte("{}")}, "not a row number"},
		"two keys":         {client.Message{Keys: []string{"1", "2"}}, "not a row number"},
		"key is no number": {client.Message{Keys: []string{"x"}}, "not a row number"},
		"key below one":    {client.Message{Keys: []string{"0"}}, "not a row number"},
		"another row":      {client.Message{Keys: []string{"1"}, Body: []byte(`{"row":2}`)}, "row 2 under the key of row 1"},
		"no JSON":          {client.Message{Keys: []string{"1"}, Body: []byte("17,2013")}, "not the JSON of a flight"},
		"no number":        {client.Message{Keys: []string{"1"}, Body: []byte(`{"row":1,"arr_delay":"x"}`)}, "is no integer"},
		"damaged body":     {client.Message{Keys: []string{"1"}, Err: client.ErrCorrupted}, "body corrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(t.Context(), &c.message)
			require.ErrorContains(t, err, c.reason)
		})
	}
}

func TestFlight_IsLateFromThirtyMinutesOn(t *testing.T) {
	for _, c := range []struct {
		delay         Number
		arrived, late bool
	}{
		{Number{}, false, false}, {Int(-5), true, false}, {Int(0), true, false},
		{Int(29), true, false}, {Int(30), true, true}, {Int(300), true, true},
	} {
		f := Flight{ArrDelay: c.delay}
		require.Equal(t, c.arrived, f.Arrived(), c.delay)
		require.Equal(t, c.late, f.Late(), c.delay)
	}
}

const (
	airlines = "carrier,name\nUA,United Air Lines Inc.\n"
	airports = "lat,faa,name\n40.7,EWR,Newark Liberty Intl\n"
)

func TestNames_AddsThoseThatAreKnown(t *testing.T) {
	names, err := ReadNames(strings.NewReader(airlines), strings.NewReader(airports))
	require.NoError(t, err)
	named := names.Add(flight())
	require.Equal(t, flight(), named.Flight)
	require.Equal(t, "United Air Lines Inc.", named.Airline)
	require.Equal(t, "Newark Liberty Intl", named.OriginName)
	require.Empty(t, named.DestinationName)

	m, err := NamedMessage(named)
	require.NoError(t, err)
	require.Equal(t, []string{"17"}, m.Keys)
	require.Contains(t, string(m.Body), `"arr_delay":30`)
	require.Contains(t, string(m.Body), `"airline":"United Air Lines Inc."`)
	require.NotContains(t, string(m.Body), "dest_name")
}

func TestReadNames_ReportsBothTables(t *testing.T) {
	_, err := ReadNames(strings.NewReader(""), strings.NewReader("faa,city\nEWR,Newark\n"))
	require.ErrorContains(t, err, "airlines: the table is empty")
	require.ErrorContains(t, err, "airports: the header needs the columns faa and name")
	_, err = ReadNames(strings.NewReader("carrier,name\nUA\n"), strings.NewReader(airports))
	require.ErrorContains(t, err, "airlines")
}
