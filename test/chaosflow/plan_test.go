package chaosflow

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
	what   string        // kill, start, proxy or broker
	worker int           // of kill and start
	down   time.Duration // of proxy and broker: until it is started again
}

func (s step) String() string {
	switch s.what {
	case "kill", "start":
		return fmt.Sprintf("%s worker %d", s.what, s.worker)
	}
	return fmt.Sprintf("kill the %s, for %v and its start", s.what, s.down.Round(time.Millisecond))
}

// planWorkers decides when which worker is killed and started, so that one is alive at least. It begins
// and ends with all alive.
func planWorkers(seed uint64, lasts time.Duration) (steps []step) {
	random := rand.New(rand.NewPCG(seed, 1))
	alive, dead := []int{0, 1, 2}, []int(nil)
	move := func(at time.Duration, what string, from, to *[]int) {
		i := random.IntN(len(*from))
		steps = append(steps, step{at: at, what: what, worker: (*from)[i]})
		*to = append(*to, (*from)[i])
		*from = slices.Delete(*from, i, i+1)
	}
	between := func() time.Duration { return time.Second + random.N(4*time.Second) }
	at := between()
	for ; at < lasts; at += between() {
		if len(dead) == 0 || len(alive) > 1 && random.IntN(2) == 0 {
			move(at, "kill", &alive, &dead)
		} else {
			move(at, "start", &dead, &alive)
		}
	}
	for len(dead) > 0 {
		move(at, "start", &dead, &alive)
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

func TestPlan_KillsManyAndKeepsOneAlive(t *testing.T) {
	const lasts = 5 * time.Minute
	for seed := range uint64(1000) {
		steps := planWorkers(seed, lasts)
		require.Equal(t, steps, planWorkers(seed, lasts), "a seed is a plan")
		alive := map[int]bool{0: true, 1: true, 2: true}
		var last time.Duration
		kills := 0
		for _, s := range steps {
			require.GreaterOrEqual(t, s.at, last)
			last = s.at
			require.Equal(t, s.what == "kill", alive[s.worker], "%v", s)
			if s.what == "kill" {
				delete(alive, s.worker)
				kills++
			} else {
				alive[s.worker] = true
			}
			require.NotEmpty(t, alive)
		}
		require.Len(t, alive, workers)
		require.GreaterOrEqual(t, kills, leastKills(lasts))
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
func leastKills(lasts time.Duration) int { return int(lasts / (12 * time.Second)) }
