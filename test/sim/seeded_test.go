//go:build seeded

package sim_test

import _ "unsafe" // for go:linkname

// seeded tells whether the runtime leaves nothing to chance: see package seeded.
const seeded = true

//go:linkname seedRuntime runtime.seedBubble
func seedRuntime(seed uint64)
