//go:build race

package pebble_test

// manySeeds is how many seeds a test runs: under the race detector each takes ten times as long.
const manySeeds = 25
