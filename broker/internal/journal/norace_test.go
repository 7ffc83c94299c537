//go:build !race

package journal_test

// manySeeds is how many seeds a test tries.
const manySeeds = 1000
