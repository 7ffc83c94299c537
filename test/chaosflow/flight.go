package chaosflow

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

// Flight is a row of the file, as far as the job works on it. One without a carrier is none: it only tells
// how far time has come, since windows wait for what comes next, and after the last flight nothing does.
type Flight struct {
	// ID is the number of the row, from 1: no column tells one flight from another. It is 0 if it is none.
	ID        int       `json:"id"`
	Carrier   string    `json:"carrier"`
	Scheduled time.Time `json:"scheduled"` // departure
	Delay     int       `json:"delay"`     // of the arrival, in minutes; 0 if there was none
}

// Key names the flight.
func (f Flight) Key() string { return strconv.Itoa(f.ID) }

func (f Flight) isOne() bool { return f.Carrier != "" }

// Message makes the message that carries a flight.
func Message(f Flight) (*client.Message, error) {
	body, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("flight %d: %w", f.ID, err)
	}
	return &client.Message{Body: body, Keys: []string{f.Key()}}, nil
}

// parse reads a message that [Message] made.
func parse(_ context.Context, m *client.Message) (f Flight, err error) {
	if err := json.Unmarshal(m.Body, &f); err != nil {
		return f, fmt.Errorf("message %s: not the JSON of a flight: %w", m.ID, err)
	}
	return f, nil
}
