package pebble_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/rocketflow-io/rocketflow/state"
	"github.com/rocketflow-io/rocketflow/state/pebble"
)

// benchKeys is how many keys a benchmark writes to and reads.
const benchKeys = 1_000_000

// A commit that is synced, of so many writes to keys all over the table; bare is the database itself
// with the same keys and values, without versions.
func BenchmarkCommit(b *testing.B) {
	sums := state.NewTable[int, int]("sums")
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := pebble.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			var c state.Changes
			i := 0
			for b.Loop() {
				c.Reset()
				for range n {
					i++
					_ = sums.Put(&c, i*7919%benchKeys, i)
				}
				if _, err := s.Commit(b.Context(), &c); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
		b.Run(fmt.Sprint(n, " bare"), func(b *testing.B) {
			bare, err := db.Open(b.TempDir(), &db.Options{MemTableSize: 32 << 20})
			if err != nil {
				b.Fatal(err)
			}
			i := 0
			for b.Loop() {
				batch := bare.NewBatch()
				for range n {
					i++
					key := binary.BigEndian.AppendUint64([]byte("sums"), uint64(i*7919%benchKeys))
					_ = batch.Set(key, binary.BigEndian.AppendUint64(nil, uint64(i)), nil)
				}
				if err := batch.Commit(db.Sync); err != nil {
					b.Fatal(err)
				}
			}
			if err := bare.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// Get reads one key or 100, of a table that is on the disk, which are there or not.
func BenchmarkGet(b *testing.B) {
	s, err := pebble.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	sums := state.NewTable[int, int]("sums")
	var c state.Changes
	for i := range benchKeys {
		_ = sums.Put(&c, 2*i, i)
		if len(c.Writes) == 10_000 {
			if _, err := s.Commit(b.Context(), &c); err != nil {
				b.Fatal(err)
			}
			c.Reset()
		}
	}
	if err := s.Compact(b.Context()); err != nil {
		b.Fatal(err)
	}
	for odd, name := range []string{"present", "absent"} {
		for _, n := range []int{1, 100} {
			b.Run(fmt.Sprint(name, " ", n), func(b *testing.B) {
				i := 0
				keys := make([]int, n)
				for b.Loop() {
					for k := range keys {
						i++
						keys[k] = i*7919%benchKeys*2 + odd
					}
					if _, err := sums.GetAll(b.Context(), s, keys...); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(i), "ns/key")
			})
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
