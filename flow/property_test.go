package flow_test

import (
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Int("seeds", manyPipelines, "how many random pipelines the property test runs")
	flag.Int("seed", 0, "the one random pipeline that the property test runs; 0 for many")
	goleak.VerifyTestMain(m)
}

// TestPipelines_SettleEachRecordOnce is the promise of the package, tried on random pipelines of all
// operators (see package randpipe), with random failures, panics, policies, redeliveries, leases and
// cancellation. What must hold is written down in ledger.
//
// A seed determines a pipeline, its inputs, its faults, and when it is cancelled. Time is virtual,
// and the seed's latencies end at distinct instants, so that a seed that fails fails again.
func TestPipelines_SettleEachRecordOnce(t *testing.T) {
	if seed := flagged(t, "seed"); seed != 0 {
		runSeed(t, uint64(seed))
		return
	}
	seeds, workers := flagged(t, "seeds"), runtime.GOMAXPROCS(0)
	for w := range workers {
		t.Run(fmt.Sprintf("part %d", w+1), func(t *testing.T) {
			t.Parallel()
			for seed := 1 + w; seed <= seeds && !t.Failed(); seed += workers {
				runSeed(t, uint64(seed))
			}
		})
	}
}

// flagged gives the value of a flag that TestMain defined.
func flagged(t *testing.T, name string) int {
	t.Helper()
	n, err := strconv.Atoi(flag.Lookup(name).Value.String())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	// spinning is how long, in real time, a seed may take: one that takes longer goes round in
	// circles without virtual time passing.
	spinning = 2 * time.Minute
	// stuck is how long, in virtual time, the runs of a seed may take.
	stuck = 1000 * time.Hour
)

func runSeed(t *testing.T, seed uint64) {
	t.Helper()
	replay := fmt.Sprintf("replay it by: go test ./flow -run TestPipelines_SettleEachRecordOnce -seed %d", seed)
	watchdog := time.AfterFunc(spinning, func() { panic(fmt.Sprintf("seed %d spins: %s", seed, replay)) })
	defer watchdog.Stop()
	synctest.Test(t, func(t *testing.T) {
		trial := newTrial(seed)
		done := make(chan []string)
		go func() { done <- trial.run(t.Context()) }()
		select {
		case problems := <-done:
			for _, p := range problems {
				t.Errorf("seed %d: %s", seed, p)
			}
			if len(problems) > 0 {
				t.Errorf("%s\n%s", replay, trial.pipeline.Explain())
			}
		case <-time.After(stuck):
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			panic(fmt.Sprintf("seed %d is stuck: %s\n%s\n%s", seed, replay, trial.pipeline.Explain(), stacks))
		}
	})
}
