//go:build !race

package pebble_test

// manySeeds is how many seeds a test runs.
const manySeeds = 100
