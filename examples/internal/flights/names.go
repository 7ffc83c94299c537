package flights

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/rocketflow-io/rocketflow/client"
)

// Named is a flight with the names of its airline and airports.
type Named struct {
	Flight
	Airline         string `json:"airline,omitempty"`
	OriginName      string `json:"origin_name,omitempty"`
	DestinationName string `json:"dest_name,omitempty"`
}

// NamedMessage makes the message that carries a flight with its names, under its row as key.
func NamedMessage(f Named) (*client.Message, error) { return message(f.Row, f) }

// Names knows the airlines by their carrier code and the airports by their FAA code.
type Names struct{ airlines, airports map[string]string }

// ReadNames reads the tables of airlines (columns carrier and name) and airports (faa and name).
func ReadNames(airlines, airports io.Reader) (*Names, error) {
	n := &Names{}
	var errs [2]error
	n.airlines, errs[0] = readTable(airlines, "airlines", "carrier", "name")
	n.airports, errs[1] = readTable(airports, "airports", "faa", "name")
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return n, nil
}

// Add gives the flight with its names. A code that the tables do not have leaves its name empty:
// they have no airports outside the states, such as San Juan.
func (n *Names) Add(f Flight) Named {
	return Named{
		Flight: f, Airline: n.airlines[f.Carrier],
		OriginName: n.airports[f.Origin], DestinationName: n.airports[f.Destination],
	}
}

// Airline gives the name of a carrier; "" if it is not known.
func (n *Names) Airline(carrier string) string { return n.airlines[carrier] }

// readTable gives one column of a CSV by another.
func readTable(r io.Reader, table, key, value string) (map[string]string, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("flights: read %s: %w", table, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("flights: read %s: the table is empty", table)
	}
	k, v := slices.Index(rows[0], key), slices.Index(rows[0], value)
	if k < 0 || v < 0 {
		return nil, fmt.Errorf("flights: read %s: the header needs the columns %s and %s", table, key, value)
	}
	byKey := make(map[string]string, len(rows)-1)
	for _, row := range rows[1:] {
		byKey[row[k]] = row[v]
	}
	return byKey, nil
}
