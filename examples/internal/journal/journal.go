// Package journal keeps lines in a file so that a process that is killed finds again what it had
// written: each line whole, or not at all.
package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// Journal appends lines to a file. It is safe for concurrent use, and must be closed.
type Journal struct {
	path string

	mu   sync.Mutex // guards what follows
	file *os.File
	err  error // of the first write or sync that failed; nothing is written after it
}

// Open opens the journal at path, or makes it, for this process alone, and gives replay each line
// in it, without its line break, until replay fails. A last line without a line break was torn by
// the end of the process that wrote it, before anything relied on it, and is cut off. For another
// process that has it open, Open waits for [Patience] at most, or until ctx ends.
func Open(ctx context.Context, path string, replay func(line []byte) error) (*Journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := lock(ctx, f); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: lock %q: %w", path, err), f.Close())
	}
	if err := recoverLines(f, path, replay); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Journal{path: path, file: f}, nil
}

func recoverLines(f *os.File, path string, replay func([]byte) error) error {
	data, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	number := 0
	for line := range bytes.Lines(whole) {
		number++
		if err := replay(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return fmt.Errorf("journal: %s:%d: %w", path, number, err)
		}
	}
	if len(whole) == len(data) {
		return nil
	}
	if err := f.Truncate(int64(len(whole))); err != nil {
		return fmt.Errorf("journal: cut off the torn last line: %w", err)
	}
	return nil
}

// Append writes lines, which have no line breaks, in one piece. They outlive the process when it
// has returned, and the machine after [Journal.Sync].
func (j *Journal) Append(lines ...[]byte) error {
	if len(lines) == 0 {
		return nil
	}
	text := append(bytes.Join(lines, []byte("\n")), '\n')
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		_, err := j.file.Write(text)
		j.failLocked("append to", err)
	}
	return j.err
}

// Sync makes what was appended outlive the machine.
func (j *Journal) Sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.failLocked("sync", j.file.Sync())
	}
	return j.err
}

// failLocked makes an error stick: behind half a line, or behind what may not be on the disk,
// nothing more can be promised.
func (j *Journal) failLocked(op string, err error) {
	if err != nil {
		j.err = fmt.Errorf("journal: %s %q: %w: give it room, and run again with the same -run", op, j.path, err)
	}
}

// Close syncs and closes the file.
func (j *Journal) Close() error {
	err := j.Sync()
	j.mu.Lock()
	defer j.mu.Unlock()
	return errors.Join(err, j.file.Close())
}
