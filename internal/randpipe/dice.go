package randpipe

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Splitmix scrambles a number, so that consecutive seeds have nothing in common.
func Splitmix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Mix makes one number of several, which depends on their order.
func Mix(all ...uint64) uint64 {
	h := uint64(len(all))
	for _, x := range all {
		h = Splitmix(h ^ x)
	}
	return h
}

// Hash makes a number of a text.
func Hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return h.Sum64()
}

// Dice makes the choices of a seed, or of one thing in it.
type Dice struct{ *rand.Rand }

// NewDice gives the dice of one thing.
func NewDice(seed uint64, about string) Dice {
	return Dice{rand.New(rand.NewPCG(Splitmix(seed), Mix(seed, Hash(about))))}
}

// Chance is true n times of 100.
func (d Dice) Chance(n int) bool { return d.IntN(100) < n }

// Between gives a duration of at least low and less than high. No two are alike, as nearly as may be.
func (d Dice) Between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.Int64N(int64(high-low)))
}
