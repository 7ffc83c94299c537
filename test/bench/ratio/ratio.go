// Package ratio turns the ratios of the rounds of a benchmark into the lines that it prints.
package ratio

import (
	"fmt"
	"slices"
)

// Line is a line for one figure: its name, the median of the values, the least and the greatest.
func Line(name string, values []float64, decimals int) string {
	return fmt.Sprintf("RATIO %s %.*f (%.*f..%.*f)\n", name,
		decimals, Median(values), decimals, slices.Min(values), decimals, slices.Max(values))
}

// Median is the value in the middle; of an even number of them, the greater of the two.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Spread is how far the values are from their median, as a share of it: the greater of the distances
// of the lower and the upper quartile. It is the noise of a comparison of a thing with itself.
func Spread(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := Median(values)
	low, high := sorted[len(sorted)/4], sorted[len(sorted)-1-len(sorted)/4]
	return max(middle-low, high-middle) / middle
}
