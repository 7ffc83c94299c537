package chaosflow

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/rocketflow-io/rocketflow/client"
)

// Flight is a row of the file, as far as the job works on it.
type Flight struct {
	// ID is the number of the row, from 1: no column tells one flight from another.
	ID        int       `json:"id"`
	Carrier   string    `json:"carrier"`
	Scheduled time.Time `json:"scheduled"` // departure
	Delay     int       `json:"delay"`     // of the arrival, in minutes; 0 if there was none
}

// Key names the flight.
func (f Flight) Key() string { return strconv.Itoa(f.ID) }

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
