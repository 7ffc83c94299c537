// Package siphash computes SipHash-2-4 under the fixed key by which RocketMQ clients choose the
// queue of a message group.
package siphash

import (
	"encoding/binary"
	"math/bits"
)

// The key is the bytes 0 to 15; all clients that share a FIFO topic must agree on it.
const (
	key0 = 0x0706050403020100
	key1 = 0x0f0e0d0c0b0a0908
)

type state struct{ v0, v1, v2, v3 uint64 }

// Sum64 returns the hash of s.
func Sum64(s string) uint64 {
	h := state{
		v0: key0 ^ 0x736f6d6570736575,
		v1: key1 ^ 0x646f72616e646f6d,
		v2: key0 ^ 0x6c7967656e657261,
		v3: key1 ^ 0x7465646279746573,
	}
	last := uint64(len(s)) << 56
	for len(s) >= 8 {
		h.absorb(binary.LittleEndian.Uint64([]byte(s[:8])))
		s = s[8:]
	}
	for i := range len(s) {
		last |= uint64(s[i]) << (8 * i)
	}
	h.absorb(last)
	h.v2 ^= 0xff
	for range 4 {
		h.round()
	}
	return h.v0 ^ h.v1 ^ h.v2 ^ h.v3
}

func (h *state) absorb(m uint64) {
	h.v3 ^= m
	h.round()
	h.round()
	h.v0 ^= m
}

func (h *state) round() {
	h.v0 += h.v1
	h.v1 = bits.RotateLeft64(h.v1, 13) ^ h.v0
	h.v0 = bits.RotateLeft64(h.v0, 32)
	h.v2 += h.v3
	h.v3 = bits.RotateLeft64(h.v3, 16) ^ h.v2
	h.v0 += h.v3
	h.v3 = bits.RotateLeft64(h.v3, 21) ^ h.v0
	h.v2 += h.v1
	h.v1 = bits.RotateLeft64(h.v1, 17) ^ h.v2
	h.v2 = bits.RotateLeft64(h.v2, 32)
}

// Slot returns the index among n of the queue to which the group s belongs: the hash as a signed
// number, reduced to what is not negative. n must be at least 1.
func Slot(s string, n int) int {
	slot := int64(Sum64(s)) % int64(n)
	if slot < 0 {
		slot += int64(n)
	}
	return int(slot)
}
