// Package messageid makes message ids of RocketMQ's version 1: 17 bytes in upper-case hexadecimal,
// namely 01, a node of 6 bytes, a process of 2, seconds since 2021 of 4, and a counter of 4.
package messageid

import (
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"
	"time"
)

const (
	// Length is that of every id.
	Length = 2 * size

	size    = 17
	version = 1
	digits  = "0123456789ABCDEF"
)

// A Generator makes ids that differ from those of every other generator, here and elsewhere. It is
// safe for concurrent use.
//
// The node is random, with the bit set that no network card has, as a UUID does it without a
// card: containers share MAC addresses and process 1, and two generators in one process would share
// both, whereas 62 random bits (node and process) do not meet.
type Generator struct {
	head  [9]byte // version, node, process
	start time.Time
	base  uint32 // seconds since 2021 at start; later ones are counted by the monotonic clock
	next  atomic.Uint32
}

// New returns a generator.
func New() *Generator {
	g := &Generator{start: time.Now()}
	_, _ = rand.Read(g.head[1:]) // never fails: it ends the program instead
	g.head[0] = version
	g.head[1] |= 1 // multicast
	epoch := time.Date(2021, time.January, 1, 0, 0, 0, 0, time.UTC)
	g.base = uint32(g.start.Sub(epoch) / time.Second)
	return g
}

// Next returns a new id.
func (g *Generator) Next() string {
	var id [size]byte
	copy(id[:], g.head[:])
	seconds := g.base + uint32(time.Since(g.start)/time.Second)
	binary.BigEndian.PutUint32(id[9:], seconds)
	binary.BigEndian.PutUint32(id[13:], g.next.Add(1))
	var text [Length]byte
	for i, b := range id {
		text[2*i], text[2*i+1] = digits[b>>4], digits[b&15]
	}
	return string(text[:])
}
