package inproc

import (
	"errors"
	"io"
	"sync"
)

// window is how many bytes a pipe holds before the writer waits, as gRPC has it by default. One
// message fits always.
const window = 64 << 10

// A pipe is the messages of one direction of a call.
type pipe struct {
	mu      sync.Mutex // guards what follows
	waiting [][]byte
	bytes   int
	closed  bool  // no more is written
	err     error // what reading ends with, once nothing waits
	changed chan struct{}
}

func newPipe() *pipe { return &pipe{changed: make(chan struct{})} }

// wakeLocked wakes who waits, reader and writer.
func (p *pipe) wakeLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// write adds a message. It waits for room, until done; it gives false if the pipe is closed, or
// done first.
func (p *pipe) write(message []byte, done <-chan struct{}) bool {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return false
		}
		if len(p.waiting) == 0 || p.bytes+len(message) <= window {
			p.waiting = append(p.waiting, message)
			p.bytes += len(message)
			p.wakeLocked()
			p.mu.Unlock()
			return true
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-done:
			return false
		}
	}
}

// read gives the next message, and after the last one the error that the pipe was closed with. It waits
// until done; what is there by then counts. It gives errNothing if nothing is.
func (p *pipe) read(done <-chan struct{}) ([]byte, error) {
	for over := false; ; {
		p.mu.Lock()
		message, err, changed := p.nextLocked()
		p.mu.Unlock()
		switch {
		case message != nil || err != nil:
			return message, err
		case over:
			return nil, errNothing
		}
		select {
		case <-changed:
		case <-done:
			over = true
		}
	}
}

// errNothing tells of a pipe from which nothing comes in time.
var errNothing = errors.New("inproc: nothing came")

// nextLocked takes the next message, or the error that comes after the last. If there is neither, it
// gives what is closed when that may have changed.
func (p *pipe) nextLocked() (message []byte, err error, changed <-chan struct{}) { //nolint:staticcheck // the error is what was read
	switch {
	case len(p.waiting) > 0:
		message = p.waiting[0]
		p.waiting = p.waiting[1:]
		p.bytes -= len(message)
		p.wakeLocked()
		return message, nil, nil
	case p.closed:
		return nil, p.err, nil
	}
	return nil, nil, p.changed
}

// close ends the pipe behind what was written: reading ends with err, io.EOF if that is nil. The first
// close counts.
func (p *pipe) close(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if err == nil {
		err = io.EOF
	}
	p.closed, p.err = true, err
	p.wakeLocked()
}
