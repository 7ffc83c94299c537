package sim

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// splitmix scrambles a number, so that consecutive seeds have nothing in common.
func splitmix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// mix makes one number of several.
func mix(all ...uint64) uint64 {
	h := uint64(0)
	for _, x := range all {
		h = splitmix(h ^ x)
	}
	return h
}

// hashed makes a number of a text.
func hashed(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // never fails
	return h.Sum64()
}

// dice makes the choices of a seed, or of one thing in it.
type dice struct{ *rand.Rand }

func newDice(seed uint64, about string) dice {
	return dice{rand.New(rand.NewPCG(splitmix(seed), mix(seed, hashed(about))))}
}

// chance is true n times of 100.
func (d dice) chance(n int) bool { return d.IntN(100) < n }

// between gives a duration of at least low and less than high.
func (d dice) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.Int64N(int64(high-low)))
}
