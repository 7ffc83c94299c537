package pebble

import (
	"bytes"
	"errors"

	db "github.com/cockroachdb/pebble/v2"
)

// highest has for tables a key of the database that none of theirs is above. Ids that begin with a time,
// of records that come about in its order, are above it, and so known to be absent without a look.
type highest map[string][]byte

// above tells whether a key is above all of its table. The lock is held.
func (s *Store) above(table string, place []byte) (bool, error) {
	top, known := s.highest[table]
	if !known {
		var err error
		if top, err = s.lastPlace(table); err != nil {
			return false, err
		}
		if s.highest == nil {
			s.highest = make(highest)
		}
		s.highest[table] = top
	}
	return bytes.Compare(place, top) > 0, nil
}

// lastPlace gives the last key of a table; nil, which is below all, if there is none.
func (s *Store) lastPlace(table string) (place []byte, err error) {
	it, err := s.db.NewIter(&db.IterOptions{LowerBound: entryKey(nil, table, nil), UpperBound: tableEnd(table)})
	if err != nil {
		return nil, err
	}
	if it.Last() {
		place = bytes.Clone(it.Key())
	}
	return place, errors.Join(it.Error(), it.Close())
}

// rise notes that a key is there.
func (h highest) rise(table string, place []byte) {
	if top, known := h[table]; known && bytes.Compare(place, top) > 0 {
		h[table] = append(top[:0], place...)
	}
}
