package state

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is a store that forgets all with the process. It is for tests, and for state that may begin
// anew. What has expired leaves memory with later commits.
type Memory struct {
	mu     sync.RWMutex // guards what follows; the bytes of items do not change
	tables map[string]map[string]memoryItem
	last   Version
	closed bool
}

var _ Store = (*Memory)(nil)

type memoryItem struct {
	value   []byte
	version Version
	expires int64 // see Nanoseconds
}

// NewMemory makes an empty store.
func NewMemory() *Memory { return &Memory{tables: make(map[string]map[string]memoryItem)} }

// usable says why the store cannot be used; nil if it can. The lock is held.
func (m *Memory) usable(ctx context.Context) error {
	if m.closed {
		return ErrClosed
	}
	return ctx.Err()
}

func (i memoryItem) expired(now int64) bool { return i.expires != noExpiry && i.expires <= now }

func (i memoryItem) entry(key []byte) Entry {
	return Entry{Key: key, Value: i.value, Version: i.version, Expires: FromNanoseconds(i.expires)}
}

// Get gives entries: see [Store].
func (m *Memory) Get(ctx context.Context, table string, keys ...[]byte) ([]Entry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	now := time.Now().UnixNano()
	entries := make([]Entry, len(keys))
	for i, key := range keys {
		if item, ok := m.tables[table][string(key)]; ok && !item.expired(now) {
			entries[i] = item.entry(key)
		} else {
			entries[i] = Entry{Key: key, Version: Absent}
		}
	}
	return entries, nil
}

// Commit makes changes: see [Store].
func (m *Memory) Commit(ctx context.Context, changes *Changes) (Version, error) {
	if err := changes.Check(); err != nil {
		return Any, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil || len(changes.Writes) == 0 {
		return Any, err
	}
	now := time.Now().UnixNano()
	if unmet := m.unmet(changes.Writes, now); len(unmet) > 0 {
		return Any, &ConflictError{Writes: unmet}
	}
	m.last++
	for i := range changes.Writes {
		m.write(&changes.Writes[i])
	}
	m.sweep(changes.Writes, now)
	return m.last, nil
}

func (m *Memory) unmet(writes []Write, now int64) (unmet []int) {
	for i := range writes {
		w := &writes[i]
		if w.If == Any {
			continue
		}
		version := Absent
		if item, ok := m.tables[w.Table][string(w.Key)]; ok && !item.expired(now) {
			version = item.version
		}
		if version != w.If {
			unmet = append(unmet, i)
		}
	}
	return unmet
}

func (m *Memory) write(w *Write) {
	if w.Delete {
		delete(m.tables[w.Table], string(w.Key))
		return
	}
	if m.tables[w.Table] == nil {
		m.tables[w.Table] = make(map[string]memoryItem)
	}
	m.tables[w.Table][string(w.Key)] = memoryItem{bytes.Clone(w.Value), m.last, Nanoseconds(w.Expires)}
}

// sweep looks at a few entries of the tables written to, at random as the order of a map is, and drops
// those that have expired. Two for each write keep what has expired from outgrowing what has not.
func (m *Memory) sweep(writes []Write, now int64) {
	left := 0
	for i := range writes {
		left += 2
		if i+1 < len(writes) && writes[i+1].Table == writes[i].Table {
			continue
		}
		items := m.tables[writes[i].Table]
		for key, item := range items {
			if left--; left < 0 {
				break
			}
			if item.expired(now) {
				delete(items, key)
			}
		}
		left = 0
	}
}

// Scan gives entries in order: see [Store].
func (m *Memory) Scan(ctx context.Context, table string, keys Range) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m.mu.RLock()
		err := m.usable(ctx)
		entries := m.sorted(table, keys)
		m.mu.RUnlock()
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// sorted gives what a table has now. The lock is held.
func (m *Memory) sorted(table string, keys Range) []Entry {
	now := time.Now().UnixNano()
	var entries []Entry
	for key, item := range m.tables[table] {
		if k := []byte(key); !item.expired(now) && keys.Contains(k) {
			entries = append(entries, item.entry(k))
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return bytes.Compare(a.Key, b.Key) })
	return entries
}

// Snapshot writes all entries: see [Store].
func (m *Memory) Snapshot(ctx context.Context, w io.Writer) error {
	m.mu.RLock()
	err := m.usable(ctx)
	var all []Saved
	for table := range m.tables {
		for _, e := range m.sorted(table, Range{}) {
			all = append(all, Saved{table, e})
		}
	}
	last := m.last
	m.mu.RUnlock()
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b Saved) int { return strings.Compare(a.Table, b.Table) })
	return WriteSnapshot(w, last, func(yield func(Saved, error) bool) {
		for _, s := range all {
			if err := ctx.Err(); !yield(s, err) || err != nil {
				return
			}
		}
	})
}

// Restore fills the empty store: see [Store].
func (m *Memory) Restore(ctx context.Context, r io.Reader) error {
	tables := make(map[string]map[string]memoryItem)
	last, err := ReadSnapshot(r, func(s Saved) error {
		if tables[s.Table] == nil {
			tables[s.Table] = make(map[string]memoryItem)
		}
		tables[s.Table][string(s.Key)] = memoryItem{s.Value, s.Version, Nanoseconds(s.Expires)}
		return ctx.Err()
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	if unusable := m.usable(ctx); unusable != nil || err != nil {
		return cmp.Or(unusable, err)
	}
	for table := range m.tables {
		if len(m.sorted(table, Range{})) > 0 {
			return ErrNotEmpty
		}
	}
	m.tables, m.last = tables, max(last, m.last)
	return nil
}

// Close empties the store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tables, m.closed = nil, true
	return nil
}
