package state

import (
	"errors"
	"fmt"
)

var (
	// ErrConflict is what every [*ConflictError] is.
	ErrConflict = errors.New("state: conflict")
	// ErrClosed is the error of all methods of a store after Close.
	ErrClosed = errors.New("state: store is closed")
	// ErrInvalid is the error of changes that no store takes.
	ErrInvalid = errors.New("invalid")
	// ErrNotEmpty is the error of a Restore into a store that has entries.
	ErrNotEmpty = errors.New("state: restore: the store is not empty: restore into a new one")
)

// ConflictError is the error of a commit that found other versions than it asked for, and changed
// nothing.
type ConflictError struct {
	// Writes are the places in [Changes.Writes] of those whose If was not met, upwards.
	Writes []int
}

// Error gives the number of writes, without their keys.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("state: commit: conflict: %d entries were changed since they were read: read them again", len(e.Writes))
}

// Is tells that the error is [ErrConflict].
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// CorruptionError is the error of a store, or of a snapshot, that is not as it was written. Nothing of
// it is used.
type CorruptionError struct {
	// File is what is damaged: a path, or "snapshot".
	File string
	// Err says in what way.
	Err error
}

// Error names the file and the damage.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("state: %s is damaged: %v: restore a snapshot", e.File, e.Err)
}

// Unwrap gives the damage.
func (e *CorruptionError) Unwrap() error { return e.Err }
