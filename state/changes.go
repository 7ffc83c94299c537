package state

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// What Commit takes at most. The limits are those of the narrowest store: a key must fit into a page of
// PostgreSQL's index.
const (
	MaxTable = 128      // bytes of a table's name
	MaxKey   = 1024     // bytes of a key
	MaxValue = 64 << 20 // bytes of a value
)

// Changes are what is to be committed together. The zero value is ready.
type Changes struct {
	// Writes take effect in order. What they ask for by If is about the state before all of them.
	Writes []Write

	arena []byte // what was encoded for tables and marks
}

// Write is a change of one entry.
type Write struct {
	// Table is its table, a name in UTF-8 without zero bytes, which needs no making.
	Table string
	// Key may be empty, and so may Value.
	Key, Value []byte
	// Delete makes the entry absent; Value and Expires then count for nothing.
	Delete bool
	// Expires is when the entry is absent again, to the nanosecond; zero for never.
	Expires time.Time
	// If is the version that must be there: the one that was read, [Absent] if nothing may be there,
	// or [Any].
	If Version
}

// Reset empties the changes, to be filled again.
func (c *Changes) Reset() {
	clear(c.Writes)
	c.Writes, c.arena = c.Writes[:0], c.arena[:0]
}

// Check gives an error that is [ErrInvalid] if the changes are not such as a store takes. Each store's
// Commit begins with it.
func (c *Changes) Check() error {
	for i := range c.Writes {
		if err := c.Writes[i].check(); err != nil {
			return fmt.Errorf("state: commit: write %d: %w: %w", i, ErrInvalid, err)
		}
	}
	return nil
}

func (w *Write) check() error {
	switch {
	case !ValidTable(w.Table):
		return fmt.Errorf("table %q: a name has 1 to %d bytes, in UTF-8 and none of them zero", w.Table, MaxTable)
	case len(w.Key) > MaxKey:
		return fmt.Errorf("key of %d bytes in table %q: at most %d are possible", len(w.Key), w.Table, MaxKey)
	case len(w.Value) > MaxValue:
		return fmt.Errorf("value of %d bytes in table %q: at most %d are possible", len(w.Value), w.Table, MaxValue)
	case w.If < Absent:
		return fmt.Errorf("version %d in table %q: it must be one that was read, state.Absent or state.Any", w.If, w.Table)
	}
	return nil
}

// ValidTable tells whether a table can have this name.
func ValidTable(name string) bool {
	return name != "" && len(name) <= MaxTable && utf8.ValidString(name) && !strings.Contains(name, "\x00")
}
