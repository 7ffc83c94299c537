package siphash

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSlot_AgreesWithOtherClients(t *testing.T) {
	for _, c := range []struct {
		group string
		sum   int64
		slots map[int]int // number of queues to slot
	}{
		{"a", 3144613055062689994, map[int]int{3: 1, 4: 2, 8: 2, 16: 10}},
		{"group0", 9075557169888000004, map[int]int{3: 1, 4: 0, 8: 4, 16: 4}},
		{"order-1", -4360020059536918905, map[int]int{3: 0, 4: 3, 8: 7, 16: 7}},
		{"fifoMessageGroup", -5288801431308904063, map[int]int{3: 2, 4: 1, 8: 1, 16: 1}},
	} {
		t.Run(c.group, func(t *testing.T) {
			require.Equal(t, c.sum, int64(Sum64(c.group)))
			for n, slot := range c.slots {
				require.Equal(t, slot, Slot(c.group, n), "of %d", n)
			}
		})
	}
}
