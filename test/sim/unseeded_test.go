//go:build !seeded

package sim_test

// seeded tells whether the runtime leaves nothing to chance: see package seeded.
const seeded = false

func seedRuntime(uint64) {}
