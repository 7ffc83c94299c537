package seeded

// edit is a change of a file of Go's standard library, at the one place that has the text.
type edit struct{ file, text, becomes string }

func edits() []edit {
	return []edit{
		// All that is hashed is hashed alike in all processes.
		{"runtime/rand.go", `	seed := &globalRand.seed
`, `	seed := &globalRand.seed
	for i := range startupRand {
		startupRand[i] = byte(i + 1)
	}
`},
		{"runtime/rand.go", `func rand() uint64 {
`, `func rand() uint64 {
	if seeded.on && getg().bubble != nil {
		return seededRand()
	}
`},
		{"runtime/rand.go", `func allZero(b []byte) bool {
`, `// seeded is where goroutines in a bubble have their random numbers from, once it is on.
var seeded struct {
	on    bool
	state uint64
}

// seedBubble begins anew with what the processor remembers, too: every 61st goroutine comes from another queue.
//
//go:linkname seedBubble
func seedBubble(seed uint64) {
	seeded.on, seeded.state = true, seed
	mp := acquirem()
	mp.p.ptr().schedtick = 0
	releasem(mp)
}

// seededRand is splitmix64.
//
//go:nosplit
func seededRand() uint64 {
	seeded.state += 0x9e3779b97f4a7c15
	x := seeded.state
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func allZero(b []byte) bool {
`},
		{"runtime/time.go", "t.rand = cheaprand()", "t.rand = rand32()"},
		{"runtime/select.go", "j := cheaprandn(uint32(norder + 1))", "j := randn(uint32(norder + 1))"},
		// Time that is not the bubble's, such as that of a busy machine, changes nothing.
		{"runtime/proc.go", "const forcePreemptNS = 10 * 1000 * 1000 ", "const forcePreemptNS = 60 * 1000 * 1000 * 1000 "},
		{"internal/sync/mutex.go", "starvationThresholdNs = 1e6", "starvationThresholdNs = 1e15"},
	}
}
