//go:build race

package sinks_test

// storms is how many storms befall a job: under the race detector each takes ten times as long.
const storms = 3
