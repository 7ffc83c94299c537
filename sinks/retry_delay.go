package sinks

import (
	"slices"
	"time"
)

// Redelivery is the longest of the delays.
func (s *retryTopic) Redelivery() time.Duration {
	if len(s.delays) == 0 {
		return 0 // it does not open
	}
	return slices.Max(s.delays)
}
