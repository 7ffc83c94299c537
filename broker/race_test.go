//go:build race

package broker_test

// twinSeeds is how many pairs of brokers are compared: under the race detector each takes ten times as long.
const twinSeeds = 2
