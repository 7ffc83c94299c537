//go:build race

package journal_test

// manySeeds is how many seeds a test tries: under the race detector each takes ten times as long.
const manySeeds = 250
