// Package server gives an example what it runs on: a RocketMQ that is there, or a broker in this process.
package server

import (
	"errors"
	"flag"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
)

// Flags are those of the command line that say which.
type Flags struct {
	Endpoint string
	Store    string
}

// FlagsOf adds the flags to a set.
func FlagsOf(set *flag.FlagSet) *Flags {
	f := &Flags{}
	set.StringVar(&f.Endpoint, "endpoint", "", "the endpoint `HOST:PORT` of a RocketMQ; without it a broker is run in this process")
	set.StringVar(&f.Store, "store", "", "a `DIR` for that broker, where the next command finds all again; without it nothing is kept")
	return f
}

// Server is a client, and the broker behind it if that is in this process.
type Server struct {
	Client *client.Client
	Broker *broker.Broker // nil if the RocketMQ is another
}

// Connect makes a client of the RocketMQ, or starts a broker that has these topics and groups.
func (f *Flags) Connect(topics []broker.Topic, groups ...string) (*Server, error) {
	s := &Server{}
	endpoint := f.Endpoint
	if endpoint == "" {
		described := broker.Options{Topics: topics, Dir: f.Store, SyncEvery: time.Second}
		for _, g := range groups {
			described.Groups = append(described.Groups, broker.Group{Name: g})
		}
		var err error
		if s.Broker, err = broker.Start(described); err != nil {
			return nil, err
		}
		endpoint = s.Broker.Endpoint()
	}
	var err error
	if s.Client, err = client.New(endpoint, client.WithPlaintext()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes both.
func (s *Server) Close() error {
	var err error
	if s.Client != nil {
		err = s.Client.Close()
	}
	if s.Broker != nil {
		err = errors.Join(err, s.Broker.Close())
	}
	return err
}
