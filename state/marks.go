package state

import (
	"context"
	"crypto/sha256"
	"time"
)

// Marks are the ids of what was processed. Each mark is an entry of a table, which goes into the commit
// of what the processing changed; a commit that makes a mark which is there already fails as a
// [ConflictError], so that nothing is processed twice, by whomever.
type Marks struct {
	// Table is the table of the marks. Each use has one of its own.
	Table string
	// Keep is how long a mark stays: longer than what it marks can come again; 0 for ever.
	Keep time.Duration
}

// Seen tells of each id whether it has a mark.
func (m Marks) Seen(ctx context.Context, s Store, ids ...string) ([]bool, error) {
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		keys[i] = appendID(nil, id)
	}
	entries, err := s.Get(ctx, m.Table, keys...)
	if err != nil {
		return nil, err
	}
	seen := make([]bool, len(ids))
	for i, e := range entries {
		seen[i] = e.Found()
	}
	return seen, nil
}

// Add adds to changes that an id has a mark, and must not have had one.
func (m Marks) Add(c *Changes, id string) {
	begin := len(c.arena)
	c.arena = appendID(c.arena, id)
	w := Write{Table: m.Table, Key: c.arena[begin:len(c.arena):len(c.arena)], If: Absent}
	if m.Keep > 0 {
		w.Expires = time.Now().Add(m.Keep)
	}
	c.Writes = append(c.Writes, w)
}

// appendID appends the key of an id: the id itself, or a hash of a long one.
func appendID(dst []byte, id string) []byte {
	const whole, hashed = 0, 1
	if len(id) <= 64 {
		return append(append(dst, whole), id...)
	}
	sum := sha256.Sum256([]byte(id))
	return append(append(dst, hashed), sum[:]...)
}
