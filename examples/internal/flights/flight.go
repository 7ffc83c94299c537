// Package flights has what the flights job works on: the rows of the file, the messages they
// travel in, and the names that are added to them.
package flights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

// LateFrom is how many minutes behind schedule a flight arrives late.
const LateFrom = 30

// Flight is a row of the file.
type Flight struct {
	// Row is the number of the row in the file, from 1, without the header. It is what tells one
	// flight from another: no column does.
	Row int `json:"row"`

	Year          int       `csv:"year" json:"year"`
	Month         int       `csv:"month" json:"month"`
	Day           int       `csv:"day" json:"day"`
	DepTime       Number    `csv:"dep_time" json:"dep_time"` // local, HHMM as a number, like the three below
	SchedDepTime  Number    `csv:"sched_dep_time" json:"sched_dep_time"`
	DepDelay      Number    `csv:"dep_delay" json:"dep_delay"` // in minutes
	ArrTime       Number    `csv:"arr_time" json:"arr_time"`
	SchedArrTime  Number    `csv:"sched_arr_time" json:"sched_arr_time"`
	ArrDelay      Number    `csv:"arr_delay" json:"arr_delay"` // in minutes; negative if early
	Carrier       string    `csv:"carrier" json:"carrier"`
	Number        int       `csv:"flight" json:"flight"`
	TailNumber    string    `csv:"tailnum" json:"tailnum"`
	Origin        string    `csv:"origin" json:"origin"`
	Destination   string    `csv:"dest" json:"dest"`
	AirTime       Number    `csv:"air_time" json:"air_time"` // in minutes
	Distance      Number    `csv:"distance" json:"distance"` // in miles
	Hour          Number    `csv:"hour" json:"hour"`
	Minute        Number    `csv:"minute" json:"minute"`
	ScheduledHour time.Time `csv:"time_hour" json:"time_hour"`
}

// Scheduled gives when the flight was to leave.
func (f Flight) Scheduled() time.Time {
	return f.ScheduledHour.Add(time.Duration(f.Minute.Value) * time.Minute)
}

// Departed tells whether the flight has left: a cancelled one has not.
func (f Flight) Departed() bool { return f.DepDelay.Known }

// Departure gives when the flight left, if it has.
func (f Flight) Departure() time.Time {
	return f.Scheduled().Add(time.Duration(f.DepDelay.Value) * time.Minute)
}

// Arrived tells whether the flight has an arrival delay: a cancelled or diverted one has none.
func (f Flight) Arrived() bool { return f.ArrDelay.Known }

// Late tells whether the flight arrived at least [LateFrom] minutes behind schedule.
func (f Flight) Late() bool { return f.Arrived() && f.ArrDelay.Value >= LateFrom }

// Message makes the message that carries a row, under its number as key.
func Message(f Flight) (*client.Message, error) { return message(f.Row, f) }

// Parse reads a message that [Message] made.
func Parse(_ context.Context, m *client.Message) (Flight, error) {
	row, err := RowOf(m)
	if err != nil {
		return Flight{}, err
	}
	if m.Err != nil {
		return Flight{}, fmt.Errorf("flights: message %s: %w", m.ID, m.Err)
	}
	var f Flight
	if err := json.Unmarshal(m.Body, &f); err != nil {
		return Flight{}, fmt.Errorf("flights: message %s: not the JSON of a flight: %w", m.ID, err)
	}
	if f.Row != row {
		return Flight{}, fmt.Errorf("flights: message %s: has row %d under the key of row %d", m.ID, f.Row, row)
	}
	return f, nil
}

var errNoRow = errors.New("the key is not a row number")

// RowOf gives the row that a message carries, by its key.
func RowOf(m *client.Message) (int, error) {
	if len(m.Keys) != 1 {
		return 0, fmt.Errorf("flights: message %s with keys %q: %w", m.ID, m.Keys, errNoRow)
	}
	row, err := strconv.Atoi(m.Keys[0])
	if err != nil || row < 1 {
		return 0, fmt.Errorf("flights: message %s with key %q: %w", m.ID, m.Keys[0], errNoRow)
	}
	return row, nil
}

func message(row int, v any) (*client.Message, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("flights: row %d: %w", row, err)
	}
	return &client.Message{Body: body, Keys: []string{strconv.Itoa(row)}}, nil
}
