package operators

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// What chains give is what slices would, and no place is used twice or lost.
func TestArena_KeepsDutiesInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a arena
	var s stage.Slab
	s.Open(1000, &fate{}, stage.SlabOptions{})
	chains, want := make([]chain, 5), make([][]stage.Duty, 5)
	held := 0
	for i := range 20_000 {
		c, d := r.IntN(5), s.Duty(i%1000)
		switch r.IntN(40) {
		case 0:
			got := a.take(&chains[c], []stage.Duty{{}})
			require.Equal(t, append([]stage.Duty{{}}, want[c]...), got)
			held -= len(want[c])
			want[c] = nil
		case 1:
			if b := (c + 1) % 5; b != c {
				a.join(&chains[c], chains[b])
				want[c] = append(want[c], want[b]...)
				chains[b], want[b] = chain{}, nil
			}
		default:
			a.add(&chains[c], d)
			want[c] = append(want[c], d)
			held++
		}
		require.EqualValues(t, len(want[c]), chains[c].n)
	}
	require.Positive(t, held)
	require.Less(t, int(a.used), 1000, "places are used again")
}

func TestWindows_FindTheStartOfTheLast(t *testing.T) {
	w := Sliding(time.Hour, 25*time.Minute).Offset(7 * time.Minute)
	for m := -500; m < 500; m++ {
		at := instantOf(time.Unix(int64(m)*60, 0))
		start := w.lastStart(at)
		require.LessOrEqual(t, start, at)
		require.Greater(t, start.plus(w.every), at)
		require.Zero(t, int64(start-instant(w.offset))%int64(w.every))
	}
	require.Equal(t, never, w.lastStart(never))
	require.Equal(t, always, w.lastStart(always))
}

func TestAgenda_GivesTheFrameThatEndsFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var a agenda[string, int]
	in := make(map[*frame[string, int]]bool)
	for range 5000 {
		if r.IntN(3) > 0 || len(in) == 0 {
			f := &frame[string, int]{until: instant(r.IntN(1000)), place: -1}
			a.add(f)
			in[f] = true
			continue
		}
		for f := range in { // any
			if r.IntN(2) == 0 {
				a.remove(f)
				require.Equal(t, -1, f.place)
				a.remove(f) // which it is not in any more
				delete(in, f)
			}
			break
		}
		least := always
		for f := range in {
			least = min(least, f.until)
		}
		require.Equal(t, least, a.next())
		require.Len(t, a, len(in))
		if len(in) > 0 {
			f := a.take()
			require.Equal(t, least, f.until)
			delete(in, f)
		}
	}
}

// Panes stay where they are, in the order in which they began; one that does not begin leaves no trace.
func TestPanes_AreFoundWhereTheyBegan(t *testing.T) {
	var l panes[int, int]
	var begun []*pane[int, int]
	for i := range 70*mostPanes + 1 {
		p := l.blank(false)
		p.key = -1
		require.Same(t, p, l.blank(false))
		p.key = i
		require.Equal(t, i, l.begin())
		begun = append(begun, p)
	}
	for i, p := range begun {
		require.Same(t, p, l.at(i))
		require.Equal(t, i, p.key)
	}
	l.blank(false).key = -1
	i := 0
	for p := range l.all() {
		require.Same(t, begun[i], p)
		i++
	}
	require.Len(t, begun, i)
	for p := range l.all() {
		require.Same(t, begun[0], p)
		break
	}
	var single panes[int, int]
	require.Same(t, single.blank(true), single.at(single.begin()))
	require.Len(t, single.blocks[0], 1)
	for range (&panes[int, int]{}).all() {
		t.Fatal("none has begun")
	}
}

// The index finds what a map does, also where hashes are alike.
func TestIndex_FindsAsAMapDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for round := range 200 {
		bits := 1 + r.IntN(32)
		x, places := newIndex(r.IntN(40)), make(map[int]int)
		var keys []int
		hash := func(key int) uint32 { return uint32(uint64(key) * 0x9e3779b97f4a7c15 >> (64 - bits)) }
		for range r.IntN(600) {
			key := r.IntN(1000)
			place, ok := x.find(hash(key), func(place int) bool { return keys[place] == key })
			want, has := places[key]
			require.Equal(t, has, ok, round)
			if has {
				require.Equal(t, want, place)
				first, ok := x.first(hash(key))
				require.True(t, ok)
				require.Equal(t, hash(key), hash(keys[first]))
				continue
			}
			places[key] = len(keys)
			x.add(hash(key), len(keys))
			keys = append(keys, key)
		}
		require.Equal(t, len(keys), x.n)
		require.LessOrEqual(t, x.n, len(x.slots)/8*5)
	}
}

// clock is a Runtime that has the time.
type clock struct {
	stage.Runtime
	now time.Time
}

func (c *clock) Now() time.Time { return c.now }

// What is told of the past is where the watermark was, late by a step at most, however it rose.
func TestPast_TellsWhereTheWatermarkWas(t *testing.T) {
	const grace = 32 * time.Second
	begun := time.Unix(1000, 0)
	for name, pause := range map[string]func(r *rand.Rand) time.Duration{
		"often":  func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(100)) * time.Millisecond },
		"seldom": func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(30)) * time.Second },
		"both": func(r *rand.Rand) time.Duration {
			return time.Duration(r.IntN(50)) * []time.Duration{time.Millisecond, time.Second}[r.IntN(2)]
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			c, p := &clock{now: begun}, past{grace: grace}
			var all []pastStep
			for range 3000 {
				c.now = c.now.Add(pause(r))
				all = append(all, pastStep{c.now, instant(len(all))})
				p.note(c, all[len(all)-1].mark)
				c.now = c.now.Add(pause(r))
				then := c.now.Add(-grace)
				least, most := never, never
				for _, s := range all {
					if !s.at.After(then.Add(-grace / pastSteps)) {
						least = s.mark
					}
					if !s.at.After(then) {
						most = s.mark
					}
				}
				got := p.mark(c)
				require.GreaterOrEqual(t, got, least)
				require.LessOrEqual(t, got, most)
				require.LessOrEqual(t, len(p.steps), 2*pastSteps+3)
			}
		})
	}
}
