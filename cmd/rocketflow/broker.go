package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
)

// runBroker runs a broker until ctx ends. The first line that it prints to out is its endpoint.
func runBroker(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	f, err := parseBroker(args, errOut)
	if err != nil {
		return err
	}
	if f.verbose {
		f.options.Logger = slog.New(slog.NewTextHandler(errOut, nil))
	}
	b, err := broker.Start(f.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	page, err := servePage(b, f.status)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, page.close()) }()
	if _, err := fmt.Fprintln(out, b.Endpoint()); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(errOut, "broker at %s%s; Ctrl-C ends it\n", b.Endpoint(), page.where())
	select {
	case <-ctx.Done():
		return nil
	case err := <-page.failed:
		return fmt.Errorf("rocketflow broker: status page: %w", err)
	}
}

// A statusServer serves the status page, if there is to be one.
type statusServer struct {
	server   *http.Server // nil if there is none
	listener net.Listener
	failed   chan error // why it ended
}

// servePage begins to serve the page at an address.
func servePage(b *broker.Broker, addr string) (*statusServer, error) {
	if addr == "" {
		return &statusServer{}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("rocketflow broker: status page: %w: name another address with -status, or none", err)
	}
	s := &statusServer{
		server:   &http.Server{Handler: statusPage(b), ReadHeaderTimeout: 5 * time.Second},
		listener: l, failed: make(chan error, 1),
	}
	go func() { s.failed <- s.server.Serve(l) }()
	return s, nil
}

// where says where the page is, in words that follow others.
func (s *statusServer) where() string {
	if s.server == nil {
		return ""
	}
	return fmt.Sprintf(", status page at http://%s/", s.listener.Addr())
}

// close returns when the page is served no more.
func (s *statusServer) close() error {
	if s.server == nil {
		return nil
	}
	err := s.server.Close()
	if ended := <-s.failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
