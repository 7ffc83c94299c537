//go:build !race

package sinks_test

// storms is how many storms befall a job.
const storms = 10
