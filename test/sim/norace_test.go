//go:build !race

package sim_test

// underRace tells whether the race detector is on.
const underRace = false
