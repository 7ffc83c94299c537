package randpipe

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A kind that is never drawn is never tried.
func TestDraw_DrawsEachKindWhereItFits(t *testing.T) {
	for name, opts := range map[string]Options{
		"all": {Positions: true}, "keyed": {Keyed: true}, "leased": {Leased: true, Endless: true}, "keeping": {Keyed: true, Keeps: true},
		"joined with tables": {Tables: true, Leased: true, Endless: true},
		"joining":            {Joins: true, Leased: true, Endless: true},
	} {
		t.Run(name, func(t *testing.T) {
			drawn := make(map[string]bool)
			for seed := range uint64(500) {
				d := Draw(NewDice(seed, "test"), nil, opts)
				drawnIn(d.chain, drawn)
			}
			for _, k := range kinds() {
				require.Equal(t, k.fits == nil || k.fits(opts), drawn[k.name], k.name)
			}
		})
	}
}

func drawnIn(c chain, drawn map[string]bool) {
	for _, g := range c.groups {
		for _, o := range g.ops {
			drawn[o.kind.name] = true
		}
	}
	if c.fan == nil {
		return
	}
	for _, b := range c.fan.branches {
		drawnIn(b, drawn)
	}
	if c.fan.rest != nil {
		drawnIn(*c.fan.rest, drawn)
	}
}

// An effect is excused by what its stages may do, and by nothing else.
func TestFailures_ExcuseByThePolicyOfTheStage(t *testing.T) {
	at := Place{Stage: "op", Src: 1, Delivery: 2, ID: 3}
	effect := func(p policy) Effect {
		return Effect{Sink: "sink", ID: 4, hops: []hop{{stage: "op", policy: p, id: 3}}}
	}
	failed := func(times int, final bool) *Failures {
		f := NewFailures()
		for range times {
			f.Failed(at, final)
		}
		return f
	}
	buried, dropped := failed(1, false), NewFailures()
	require.True(t, buried.Buried(at))
	require.False(t, NewFailures().Buried(at))
	dropped.Dropped(at)
	for name, c := range map[string]struct {
		known *Failures
		of    policy
		want  bool
	}{
		"nothing failed":               {NewFailures(), policy{final: skip}, false},
		"failed, to be tried again":    {failed(2, false), policy{retries: 2, final: skip}, false},
		"failed in all tries, skipped": {failed(3, false), policy{retries: 2, final: skip}, true},
		"failed for good, skipped":     {failed(1, true), policy{retries: 2, final: skip}, true},
		"failed for good, handed back": {failed(1, true), policy{final: nack}, false},
		"failed, not yet buried":       {failed(1, true), policy{final: deadLetter}, false},
		"buried":                       {buried, policy{final: deadLetter}, true},
		"dropped":                      {dropped, policy{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.known.Excuse(1, 2, effect(c.of)))
			require.False(t, c.known.Excuse(1, 3, effect(c.of)), "in another delivery")
		})
	}
}
