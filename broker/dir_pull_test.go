package broker_test

import (
	"testing"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

func TestDir_KeepsOffsetsOfGroupsThatPull(t *testing.T) {
	eachEnd(t, func(h *home, until func(*home, func(*rig))) {
		h.opts.Pull = true
		until(h, func(r *rig) {
			for range 40 {
				r.send("N4", "body")
			}
			for _, offset := range []int64{1, 7, 3} {
				r.Equal(v2.Code_OK, r.updateOffset("G", "N4", 2, offset))
			}
			r.Equal(v2.Code_OK, r.updateOffset("G", "N4", 3, 0))
			r.Equal(v2.Code_OK, r.updateOffset("G2", "N4", 2, 10))
		})
		for range 2 {
			until(h, func(r *rig) {
				for _, want := range []struct {
					group  string
					queue  int32
					code   v2.Code
					offset int64
				}{
					{"G", 2, v2.Code_OK, 3}, {"G", 3, v2.Code_OK, 0}, {"G2", 2, v2.Code_OK, 10},
					{"G", 1, v2.Code_OFFSET_NOT_FOUND, 0}, {"G2", 3, v2.Code_OFFSET_NOT_FOUND, 0},
				} {
					code, offset := r.offset(want.group, "N4", want.queue)
					r.Equal(want.code, code, want)
					r.Equal(want.offset, offset, want)
				}
			})
		}
		until(h, func(r *rig) { r.Equal(v2.Code_OK, r.updateOffset("G", "N4", 2, 10)) })
		until(h, func(r *rig) {
			_, offset := r.offset("G", "N4", 2)
			r.EqualValues(10, offset)
		})
	})
}
