//go:build !race

package broker_test

// twinSeeds is how many pairs of brokers are compared.
const twinSeeds = 6
