package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// ControlVariable names the environment variable with the URL at which [RequestRestart] restarts the
// server, whose processes are another's children.
const ControlVariable = "ROCKETMQ_CONTROL"

const restartPath = "/restart"

// Control lets other processes restart a server. Close ends it.
type Control struct {
	url    string
	http   *http.Server
	served sync.WaitGroup
}

// ServeControl takes requests to restart the server, one at a time, on a free port of the loopback
// interface. Whoever has the server must not use it meanwhile.
func ServeControl(s *Server) (*Control, error) {
	l, err := net.Listen("tcp", local(0))
	if err != nil {
		return nil, fmt.Errorf("rocketmq: listen for requests to restart: %w", err)
	}
	var one sync.Mutex
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+restartPath, func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		if err := s.Restart(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	c := &Control{url: "http://" + l.Addr().String(), http: &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}}
	c.served.Go(func() {
		if err := c.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			_ = l.Close() // who asks for a restart is told that nobody answers
		}
	})
	return c, nil
}

// Env is what a test finds the control by, in the form of [os.Environ].
func (c *Control) Env() []string { return []string{ControlVariable + "=" + c.url} }

// Close waits for a restart that goes on.
func (c *Control) Close() error {
	err := c.http.Shutdown(context.Background())
	c.served.Wait()
	return err
}

// RequestRestart has the server restarted whose control is at the URL, and waits until it answers.
func RequestRestart(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+restartPath, nil)
	if err != nil {
		return fmt.Errorf("rocketmq: restart the server: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("rocketmq: restart the server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(string(text))
	}
	if err != nil {
		return fmt.Errorf("rocketmq: restart the server: %w", err)
	}
	http.DefaultClient.CloseIdleConnections()
	return nil
}
