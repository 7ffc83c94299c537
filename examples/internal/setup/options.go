// Package setup gets the flights job what it runs on: its flags, a RocketMQ, its folder.
package setup

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Variables of the environment with the credentials for a real RocketMQ that asks for them.
const (
	AccessKeyVariable = "ROCKETMQ_ACCESS_KEY"
	SecretKeyVariable = "ROCKETMQ_SECRET_KEY"
)

// DefaultLease is how long a message may be worked on before it is delivered again. It is well
// above what a message takes, and well below what a run waits for progress, so that what a killed
// process held comes again in time.
const DefaultLease = 30 * time.Second

// minLease is the least that servers grant.
const minLease = 10 * time.Second

// Options are the flags of the job.
type Options struct {
	Flights  string // a CSV file; "" for the one that is built in
	Endpoint string // of a real RocketMQ; "" for the embedded broker
	Run      string // the ID that names topics, group and files
	Lease    time.Duration
	Out      string // the folder of outputs and journal
	JSON     bool

	accessKey, secretKey string
}

// Parse reads the flags and the credentials. It fails with flag.ErrHelp if they ask for help, which
// has then been printed.
func Parse(args []string, getenv func(string) string, stderr io.Writer) (Options, error) {
	var o Options
	f := flag.NewFlagSet("flights", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.Flights, "flights", "", "CSV `FILE` with the columns of nycflights13, gzip or not (default: January 2013, built in)")
	f.StringVar(&o.Endpoint, "endpoint", "", "`HOST:PORT` of a RocketMQ 5 proxy (default: an embedded broker)")
	f.StringVar(&o.Run, "run", "", "`ID` that names topics and group; the same ID goes on where it was (default: a fresh one)")
	f.DurationVar(&o.Lease, "lease", DefaultLease, "how long a message may be worked on before it is delivered again")
	f.StringVar(&o.Out, "out", "", "`DIR` of the outputs and the journal (default: a folder named by the run, for temporary files)")
	f.BoolVar(&o.JSON, "json", false, "print the counts as one JSON object, the last line")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.accessKey, o.secretKey = getenv(AccessKeyVariable), getenv(SecretKeyVariable)
	return o, o.complete(f.Args())
}

var validRun = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// complete fills in what was left out, and reports all faults together.
func (o *Options) complete(rest []string) error {
	var faults []error
	report := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("flights: "+format, args...))
		}
	}
	report(len(rest) > 0, "argument %q: everything is a flag: see -help", strings.Join(rest, " "))
	report(o.Lease < minLease || o.Lease > 12*time.Hour, "-lease %v: must be between %v and 12h", o.Lease, minLease)
	report(o.Run != "" && !validRun.MatchString(o.Run), "-run %q: use 1 to 64 letters, digits, - and _", o.Run)
	report(o.Run == "" && o.Endpoint != "", "-endpoint without -run: topics and group must exist on a real RocketMQ, and the ID says which")
	if o.Run == "" {
		o.Run = strings.ToLower(rand.Text()[:8])
	}
	if o.Out == "" {
		o.Out = filepath.Join(os.TempDir(), "rocketflow-flights-"+o.Run)
	}
	return errors.Join(faults...)
}

// FlightsTopic names the topic of all flights.
func (o Options) FlightsTopic() string { return "flights-" + o.Run }

// LateTopic names the topic of late flights.
func (o Options) LateTopic() string { return "late-flights-" + o.Run }

// Group names the consumer group that reads the topic of all flights.
func (o Options) Group() string { return "etl-" + o.Run }

// Journal names the file of the run's book.
func (o Options) Journal() string { return o.file("journal-%s.jsonl") }

// LateFile names the file of late flights.
func (o Options) LateFile() string { return o.file("late-flights-%s.jsonl") }

// DeadLetterFile names the file of what could not be read.
func (o Options) DeadLetterFile() string { return o.file("dead-letters-%s.jsonl") }

// fileName is what the book knows the file of flights by: a folder may be written in many ways.
func (o Options) fileName() string {
	if o.Flights == "" {
		return "built in"
	}
	return filepath.Base(o.Flights)
}

func (o Options) file(pattern string) string {
	return filepath.Join(o.Out, fmt.Sprintf(pattern, o.Run))
}
