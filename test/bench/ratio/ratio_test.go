package ratio_test

import (
	"fmt"
	"testing"

	"github.com/rocketflow-io/rocketflow/test/bench/ratio"
)

func ExampleLine() {
	fmt.Print(ratio.Line("us-over-loop", []float64{1.5, 1, 2, 1.25, 9}, 2))
	// Output: RATIO us-over-loop 1.50 (1.00..9.00)
}

func TestSpread_IsTheGreaterDistanceOfTheQuartiles(t *testing.T) {
	if got := ratio.Spread([]float64{1, 0.5, 0.9, 1.3, 50}); got < 0.29 || got > 0.31 {
		t.Errorf("got %v, want 0.3", got)
	}
	if got := ratio.Spread([]float64{2, 2, 2}); got != 0 {
		t.Errorf("got %v, want 0", got)
	}
}
