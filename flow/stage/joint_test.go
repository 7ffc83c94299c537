package stage_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// What a Joiner uses again is settled, and its old duties settle nothing more.
func TestJoiner_UsesAgainOnlyWhatIsSettled(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	joiner := stage.Joiner{Reuse: true}
	type made struct {
		stage.Record[int]
		slab *stage.Slab
	}
	var held []made
	check := func(m made) {
		require.Len(t, m.Members(), 2)
		require.Equal(t, m.slab.Duty(0), m.Members()[0])
		want := error(nil)
		if m.Value%3 == 0 {
			want = errTest
			require.True(t, m.Fail(errTest))
		} else {
			require.True(t, m.Done())
		}
		for i := range 2 {
			err, settled := m.slab.Outcome(i)
			require.True(t, settled)
			require.Equal(t, want, err)
		}
	}
	var over []made
	for n := range 5000 {
		s, _, d := opened(2)
		s.Release()
		held = append(held, made{joiner.Join(n, d), s})
		// At times few are held, at times more than a Joiner waits for.
		for most := 40 + n/1000%2*1500; len(held) > most; {
			i := random.IntN(len(held))
			check(held[i])
			over = append(over, held[i])
			held[i] = held[len(held)-1]
			held = held[:len(held)-1]
		}
	}
	for _, m := range over {
		require.False(t, m.Done(), "rule 1")
		require.False(t, m.Fail(errTest))
	}
	for _, m := range held {
		check(m)
	}
}

func TestJoiner_MakesLittleWhereRecordsSettleSoon(t *testing.T) {
	_, _, d := opened(2)
	joiner := stage.Joiner{Reuse: true}
	for range 100 {
		joiner.Join(0, d).Done()
	}
	require.Zero(t, testing.AllocsPerRun(1000, func() { joiner.Join(0, d).Done() }))
}

// A record may be settled by another goroutine than the one that joins.
func TestJoiner_UsesAgainWhatOthersSettle(t *testing.T) {
	joiner := stage.Joiner{Reuse: true}
	joint, settled := make(chan stage.Record[int], 100), sync.WaitGroup{}
	for range 4 {
		settled.Go(func() {
			for r := range joint {
				if !r.Done() {
					t.Error("a duty was not held")
				}
			}
		})
	}
	var owners []*owner
	for n := range 20_000 {
		s, o, d := opened(2)
		s.Release()
		owners = append(owners, o)
		joint <- joiner.Join(n, d)
	}
	close(joint)
	settled.Wait()
	for _, o := range owners {
		require.EqualValues(t, 1, o.all.Load())
	}
}
