package operators

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/state"
)

// The tables of windows in a store, behind their name.
const (
	keptRows    = ".rows"    // by key: its panes
	keptDue     = ".due"     // by time and key: when a key has to be looked at next
	keptPast    = ".past"    // by key and start: panes that are closed, for what comes again
	keptIDs     = ".ids"     // of the values that were counted
	keptMembers = ".members" // by process: its watermark, for as long as it lives
)

// keptTables is their names.
type keptTables struct{ rows, due, past, ids, members string }

func tablesOf(name string) keptTables {
	return keptTables{name + keptRows, name + keptDue, name + keptPast, name + keptIDs, name + keptMembers}
}

// keptRow is what is known of a key. It changes in one commit with its entry of the due table, of which
// there is one for each row that has panes.
type keptRow[A any] struct {
	closed instant // the watermark has passed that: what it closes is not begun anew
	due    instant // the time of the entry in the due table; see nothingDue
	owner  string  // the process that gives the results that are out
	begun  uint64  // panes that are known by their number
	panes  []keptPane[A]
}

// keptPane is a window of a key.
type keptPane[A any] struct {
	start, end instant
	first      string // see Window.First
	size       int    // of a count window
	value      A
	results    int      // so far
	dirty      bool     // the value has changed since the last result, or there is none
	out        bool     // the last result is on its way: it is not known to be safe
	former     []former // what the pane has given results as before its start changed
}

// nothingDue is the due of a row that has no entry in the due table.
const nothingDue = never

// soon is the time of what is due whatever the watermark.
const soon = never + 1

// copy makes a row as another is, with panes of its own, in the memory that it is given if that is enough.
func (r *keptRow[A]) copy(of *keptRow[A], panes []keptPane[A]) {
	*r = *of
	r.panes = append(panes[:0], of.panes...)
}

// find gives the place of a pane by what its name is made of; -1 if it is not there.
func (r *keptRow[A]) find(start instant, first string) int {
	return slices.IndexFunc(r.panes, func(p keptPane[A]) bool {
		return p.first == first && (first != "" || p.start == start)
	})
}

// dirty tells whether there is a result to be given, now or later.
func (r *keptRow[A]) dirty() bool {
	return slices.ContainsFunc(r.panes, func(p keptPane[A]) bool { return p.dirty })
}

// nextOf is when a row has to be looked at: nothingDue if it has no panes.
func (w *windowing[K, T, A, O]) nextOf(r *keptRow[A]) instant {
	if len(r.panes) == 0 {
		return nothingDue
	}
	next := always
	for i := range r.panes {
		next = min(next, w.turns(&r.panes[i]))
	}
	return max(next, soon)
}

// turns is when a pane is complete or, if it has given all that it has, closed.
func (w *windowing[K, T, A, O]) turns(p *keptPane[A]) instant {
	switch {
	case w.Windows.kind == counted && (p.out || p.size >= w.Windows.count):
		return soon
	case w.Windows.kind == counted:
		return always
	case p.dirty || p.out:
		return p.end
	}
	return p.end.plus(w.Lateness)
}

const (
	keptFormat = 1 // of rows
	maxKept    = state.MaxKey - 32
)

const (
	keptDirty = 1 << iota
	keptOut
)

// appendRow encodes a row.
func appendRow[A any](b []byte, r *keptRow[A], values state.Codec[A]) ([]byte, error) {
	b = append(b, keptFormat)
	b = binary.AppendVarint(b, int64(r.closed))
	b = binary.AppendVarint(b, int64(r.due))
	b = appendText(b, r.owner)
	b = binary.AppendUvarint(b, r.begun)
	b = binary.AppendUvarint(b, uint64(len(r.panes)))
	var err error
	for i := range r.panes {
		if b, err = appendPane(b, &r.panes[i], values); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendPane[A any](b []byte, p *keptPane[A], values state.Codec[A]) ([]byte, error) {
	b = binary.AppendVarint(b, int64(p.start))
	b = binary.AppendVarint(b, int64(p.end))
	b = appendText(b, p.first)
	b = binary.AppendUvarint(b, uint64(p.size))
	b = binary.AppendUvarint(b, uint64(p.results))
	flags := byte(0)
	if p.dirty {
		flags |= keptDirty
	}
	if p.out {
		flags |= keptOut
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(len(p.former)))
	for _, f := range p.former {
		b = binary.AppendVarint(b, int64(f.start))
		b = binary.AppendVarint(b, int64(f.end))
		b = binary.AppendUvarint(b, uint64(f.results))
	}
	at := len(b)
	b, err := values.Append(b, p.value)
	if err != nil {
		return nil, fmt.Errorf("operators: window: encode an aggregate: %w", err)
	}
	// The value's length goes before it: it is moved behind that.
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(b)-at))
	return slices.Insert(b, at, length[:n]...), nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// keptReader decodes; the first thing wrong stays.
type keptReader struct {
	b   []byte
	err error
}

var errKeptRow = errors.New("operators: window: an entry of the store is not one of windows: was its table used by something else?")

func (r *keptReader) fail() {
	r.err, r.b = errKeptRow, nil
}

func (r *keptReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *keptReader) instant() instant {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return instant(v)
}

func (r *keptReader) octet() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *keptReader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// count gives a number of things of which each takes a byte at least.
func (r *keptReader) count() int {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

// decodeRow gives the row of bytes that appendRow made.
func decodeRow[A any](b []byte, values state.Codec[A]) (row keptRow[A], err error) {
	r := &keptReader{b: b}
	if r.octet() != keptFormat {
		return row, errKeptRow
	}
	row.closed, row.due = r.instant(), r.instant()
	row.owner, row.begun = string(r.bytes()), r.number()
	row.panes = make([]keptPane[A], r.count())
	for i := range row.panes {
		if row.panes[i], err = decodePane(r, values); err != nil {
			return row, err
		}
	}
	return row, r.err
}

func decodePane[A any](r *keptReader, values state.Codec[A]) (p keptPane[A], err error) {
	p.start, p.end = r.instant(), r.instant()
	p.first, p.size, p.results = string(r.bytes()), int(r.number()), int(r.number())
	flags := r.octet()
	p.dirty, p.out = flags&keptDirty != 0, flags&keptOut != 0
	for range r.count() {
		p.former = append(p.former, former{r.instant(), r.instant(), int32(r.number())})
	}
	value := r.bytes()
	if r.err != nil {
		return p, r.err
	}
	if p.value, err = values.Decode(value); err != nil {
		return p, fmt.Errorf("operators: window: decode an aggregate: %w", err)
	}
	return p, nil
}

// appendTime appends a time so that the order of the bytes is that of time.
func appendTime(b []byte, at instant) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(at)^(1<<63))
}

func decodeTime(b []byte) instant { return instant(binary.BigEndian.Uint64(b) ^ (1 << 63)) }

// dueKey is the key of an entry of the due table.
func dueKey(b []byte, at instant, key string) []byte { return append(appendTime(b, at), key...) }

// pastPrefix is what the keys of the past panes of a key begin with, and those of no other.
func pastPrefix(b []byte, key string) []byte { return appendText(b, key) }

// keptStaleness is how much longer than a heartbeat an empty row stays, so that no process with an old
// watermark begins anew what is closed.
const keptStaleness = 4

func (k *Kept[K, A]) staleness() time.Duration { return keptStaleness * k.Heartbeat }
