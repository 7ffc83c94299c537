// Package seeded builds programs on a Go runtime that leaves nothing to chance in a bubble of
// testing/synctest: what runs on one processor there goes the same way each time, once it has been
// seeded.
//
// The runtime is that of the toolchain at hand with a few lines changed (see edits), by the go command's
// -overlay. It draws the order of select's cases, of maps, and of timers that are due at one instant from
// the seed, does not take the processor from a goroutine that the machine has kept waiting, and gives no
// mutex away for that. Programs are built with the tag seeded, and seed it by
//
//	//go:linkname seedRuntime runtime.seedBubble
//	func seedRuntime(seed uint64)
//
// What a process did before can still be told by the addresses of memory, and so by the order of maps
// with pointers as keys. So what is to go the same way each time gets a process of its own.
package seeded
