// Package data holds the flights of January 2013 from New York, the weather there, the airlines and the airports;
// README.md beside it says where they come from.
package data

import (
	"bytes"
	"embed"
	"io"

	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
)

// FlightsName is the name of the file of flights.
const FlightsName = "flights-2013-01.csv.gz"

// WeatherName is the name of the file of weather.
const WeatherName = "weather-2013-01.csv.gz"

// The compiler fills it in; nothing writes to it.
//
//go:embed flights-2013-01.csv.gz weather-2013-01.csv.gz airlines.csv airports.csv
var files embed.FS

// Flights opens the CSV of flights, which is gzip.
func Flights() (io.ReadCloser, error) { return files.Open(FlightsName) }

// Weather opens the CSV of weather, which is gzip.
func Weather() (io.ReadCloser, error) { return files.Open(WeatherName) }

// Names gives the names of the airlines and the airports.
func Names() (*flights.Names, error) {
	airlines, err := files.ReadFile("airlines.csv")
	if err != nil {
		return nil, err
	}
	airports, err := files.ReadFile("airports.csv")
	if err != nil {
		return nil, err
	}
	return flights.ReadNames(bytes.NewReader(airlines), bytes.NewReader(airports))
}
