package state

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Table gives a table of a store types. It is a description that can be used with any number of stores;
// its methods that change it give another.
type Table[K, V any] struct {
	name   string
	keys   Codec[K]
	values Codec[V]
	keep   time.Duration
}

// NewTable describes a table whose keys and values are encoded by [Default], and which do not expire.
func NewTable[K, V any](name string) Table[K, V] {
	return Table[K, V]{name: name, keys: Default[K](), values: Default[V]()}
}

// Keys gives the table with another codec of keys.
func (t Table[K, V]) Keys(c Codec[K]) Table[K, V] { t.keys = c; return t }

// Values gives the table with another codec of values.
func (t Table[K, V]) Values(c Codec[V]) Table[K, V] { t.values = c; return t }

// Expire gives the table with values that are absent when so much time has gone since they were put;
// 0 for never.
func (t Table[K, V]) Expire(after time.Duration) Table[K, V] { t.keep = after; return t }

// Item is an entry of a table.
type Item[K, V any] struct {
	Key K
	// Value is the zero value if there is nothing.
	Value   V
	Version Version
	// Expires is when the entry will be absent; zero if never.
	Expires time.Time
}

// Found tells whether the entry is there.
func (i Item[K, V]) Found() bool { return i.Version != Absent }

// Get gives the entry of a key.
func (t Table[K, V]) Get(ctx context.Context, s Store, key K) (Item[K, V], error) {
	items, err := t.GetAll(ctx, s, key)
	if err != nil {
		return Item[K, V]{}, err
	}
	return items[0], nil
}

// GetAll gives the entries of keys, by index, as they are at one moment.
func (t Table[K, V]) GetAll(ctx context.Context, s Store, keys ...K) ([]Item[K, V], error) {
	encoded := make([][]byte, len(keys))
	for i, k := range keys {
		var err error
		if encoded[i], err = t.keys.Append(nil, k); err != nil {
			return nil, t.failed("encode a key", err)
		}
	}
	entries, err := s.Get(ctx, t.name, encoded...)
	if err != nil {
		return nil, err
	}
	items := make([]Item[K, V], len(keys))
	for i, e := range entries {
		if items[i], err = t.item(keys[i], e); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func (t Table[K, V]) item(key K, e Entry) (Item[K, V], error) {
	item := Item[K, V]{Key: key, Version: e.Version, Expires: e.Expires}
	if !e.Found() {
		return item, nil
	}
	var err error
	if item.Value, err = t.values.Decode(e.Value); err != nil {
		return item, t.failed("decode a value", err)
	}
	return item, nil
}

// Scan gives the entries of the table in the order of the bytes of their keys: see [Store.Scan].
func (t Table[K, V]) Scan(ctx context.Context, s Store) iter.Seq2[Item[K, V], error] {
	return func(yield func(Item[K, V], error) bool) {
		for e, err := range s.Scan(ctx, t.name, Range{}) {
			var item Item[K, V]
			var key K
			if err == nil {
				if key, err = t.keys.Decode(e.Key); err != nil {
					err = t.failed("decode a key", err)
				} else {
					item, err = t.item(key, e)
				}
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// Put adds to changes that a key has a value, whatever it has now.
func (t Table[K, V]) Put(c *Changes, key K, value V) error {
	return t.write(c, key, &value, Any)
}

// PutIf adds to changes that the key of an item has a value, if the entry is as it was read: of that
// version, or absent.
func (t Table[K, V]) PutIf(c *Changes, read Item[K, V], value V) error {
	return t.write(c, read.Key, &value, read.Version)
}

// Delete adds to changes that a key has nothing, whatever it has now.
func (t Table[K, V]) Delete(c *Changes, key K) error { return t.write(c, key, nil, Any) }

// DeleteIf adds to changes that the key of an item has nothing, if the entry is as it was read.
func (t Table[K, V]) DeleteIf(c *Changes, read Item[K, V]) error {
	return t.write(c, read.Key, nil, read.Version)
}

// write adds a put, or without a value a deletion. What is encoded goes to the end of the arena: when
// that grows, earlier writes keep their part of the old one.
func (t Table[K, V]) write(c *Changes, key K, value *V, version Version) error {
	w := Write{Table: t.name, If: version, Delete: value == nil}
	begin := len(c.arena)
	b, err := t.keys.Append(c.arena, key)
	if err != nil {
		return t.failed("encode a key", err)
	}
	end := len(b)
	w.Key = b[begin:end:end]
	if value != nil {
		if b, err = t.values.Append(b, *value); err != nil {
			return t.failed("encode a value", err)
		}
		w.Key, w.Value = b[begin:end:end], b[end:len(b):len(b)]
		if t.keep > 0 {
			w.Expires = time.Now().Add(t.keep)
		}
	}
	c.arena = b
	c.Writes = append(c.Writes, w)
	return nil
}

// Update reads the entry of a key, has f make its new value, and commits that if the entry is as it was
// read; if not, it begins anew. So no change is lost, whoever else makes some. It gives the entry as
// committed. An error of f ends it.
func (t Table[K, V]) Update(ctx context.Context, s Store, key K, f func(Item[K, V]) (V, error)) (Item[K, V], error) {
	var c Changes
	for {
		item, err := t.Get(ctx, s, key)
		if err != nil {
			return item, err
		}
		value, err := f(item)
		if err != nil {
			return item, err
		}
		c.Reset()
		if err := t.PutIf(&c, item, value); err != nil {
			return item, err
		}
		expires := c.Writes[0].Expires
		version, err := s.Commit(ctx, &c)
		if err == nil {
			return Item[K, V]{Key: key, Value: value, Version: version, Expires: expires}, nil
		}
		if !errors.Is(err, ErrConflict) {
			return item, err
		}
	}
}

func (t Table[K, V]) failed(what string, err error) error {
	return fmt.Errorf("state: table %q: %s: %w", t.name, what, err)
}
