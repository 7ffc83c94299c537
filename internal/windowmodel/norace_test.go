//go:build !race

package windowmodel_test

// manySeeds is how many seeds a test runs.
const manySeeds = 30
