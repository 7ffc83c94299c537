package chaosflow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	workers    = 3
	proxyKills = 3
)

// A step is something that is done to the job.
type step struct {
	at     time.Duration // since the beginning
	what   string        // kill, start, freeze, thaw, proxy or broker
	worker int           // unless it is proxy or broker
	down   time.Duration // of proxy and broker: until it is started again
}

func (s step) String() string {
	switch s.what {
	case "proxy", "broker":
		return fmt.Sprintf("kill the %s, for %v and its start", s.what, s.down.Round(time.Millisecond))
	}
	return fmt.Sprintf("%s worker %d", s.what, s.worker)
}

// frozenFor is how long a worker is stopped at least: longer than the lease of its messages, so that
// others have them when it goes on.
const frozenFor = Lease + 2*time.Second

// planWorkers decides when which worker is killed and started, or frozen and thawed, so that one is at
// work at least. It begins and ends with all at work.
func planWorkers(seed uint64, lasts time.Duration) (steps []step) {
	random := rand.New(rand.NewPCG(seed, 1))
	alive, dead := []int{0, 1, 2}, []int(nil)
	var thaw step // of the frozen one, if there is one
	move := func(at time.Duration, what string, from, to *[]int) {
		i := random.IntN(len(*from))
		steps = append(steps, step{at: at, what: what, worker: (*from)[i]})
		*to = append(*to, (*from)[i])
		*from = slices.Delete(*from, i, i+1)
	}
	between := func() time.Duration { return time.Second + random.N(4*time.Second) }
	for at := between(); at < lasts || len(dead) > 0 || thaw.what != ""; at += between() {
		switch {
		case thaw.what != "" && at >= thaw.at:
			thaw.at = at
			steps, alive, thaw = append(steps, thaw), append(alive, thaw.worker), step{}
		case at < lasts && len(alive) > 1 && (len(dead) == 0 || random.IntN(2) == 0):
			if thaw.what == "" && random.IntN(8) == 0 {
				var frozen []int
				move(at, "freeze", &alive, &frozen)
				thaw = step{at: at + frozenFor, what: "thaw", worker: frozen[0]}
			} else {
				move(at, "kill", &alive, &dead)
			}
		case len(dead) > 0:
			move(at, "start", &dead, &alive)
		}
	}
	return steps
}

// planServer decides when the proxy is killed, and when the broker: each at some time in a part of its
// own of the whole.
func planServer(seed uint64, lasts time.Duration) (steps []step) {
	random := rand.New(rand.NewPCG(seed, 2))
	what := []string{"broker"}
	for range proxyKills {
		what = append(what, "proxy")
	}
	random.Shuffle(len(what), func(i, j int) { what[i], what[j] = what[j], what[i] })
	part := lasts / time.Duration(len(what))
	for i, w := range what {
		steps = append(steps, step{
			at: time.Duration(i)*part + random.N(part/2), what: w, down: random.N(3 * time.Second),
		})
	}
	return steps
}

func TestPlan_KillsManyAndLeavesOneAtWork(t *testing.T) {
	const lasts = 5 * time.Minute
	for seed := range uint64(1000) {
		steps := planWorkers(seed, lasts)
		require.Equal(t, steps, planWorkers(seed, lasts), "a seed is a plan")
		are := map[int]string{0: "start", 1: "start", 2: "start"}
		count, frozen := make(map[string]int), time.Duration(0)
		var last time.Duration
		for _, s := range steps {
			require.GreaterOrEqual(t, s.at, last)
			last = s.at
			before := map[string]string{"kill": "start", "freeze": "start", "start": "kill", "thaw": "freeze"}[s.what]
			require.Equal(t, before, strings.Replace(are[s.worker], "thaw", "start", 1), "%v", s)
			switch s.what {
			case "freeze":
				frozen = s.at
			case "thaw":
				require.GreaterOrEqual(t, s.at-frozen, frozenFor)
			}
			are[s.worker] = s.what
			count[s.what]++
			atWork := 0
			for _, is := range are {
				if is == "start" || is == "thaw" {
					atWork++
				}
			}
			require.Positive(t, atWork)
		}
		require.Equal(t, count["kill"], count["start"])
		require.Equal(t, count["freeze"], count["thaw"])
		require.GreaterOrEqual(t, count["kill"], leastKills(lasts), "seed %d", seed)
		require.Less(t, last, lasts+time.Minute)
	}
}

func TestPlan_KillsEachPartOfTheServer(t *testing.T) {
	for seed := range uint64(1000) {
		steps := planServer(seed, 5*time.Minute)
		count := make(map[string]int)
		var last time.Duration
		for _, s := range steps {
			require.GreaterOrEqual(t, s.at, last)
			last = s.at
			count[s.what]++
		}
		require.Equal(t, map[string]int{"proxy": proxyKills, "broker": 1}, count)
		require.Less(t, last, 5*time.Minute)
	}
}

// leastKills is how many workers are killed at least by any plan of that length.
func leastKills(lasts time.Duration) int { return int(lasts / (15 * time.Second)) }
