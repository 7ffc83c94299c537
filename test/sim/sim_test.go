// The global source of math/rand, by which backoffs are spread, can be seeded.
//go:debug randseednop=0

package sim_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	mathrand "math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/sim"
)

var (
	seeds     = flag.Uint64("seeds", 200, "how many seeds TestSimulation runs")
	from      = flag.Uint64("from", 1, "the first of the seeds")
	grpcSeeds = flag.Uint64("grpc-seeds", 5, "how many seeds TestSimulation_OverGRPC runs")
	processes = flag.Int("processes", 1, "how many processes share the seeds: each uses one processor")
	replays   = flag.Int("replays", 5, "how often TestSimulation_Replays runs each seed")
	first     = flag.Bool("first", false, "end with the first seed that fails")
	report    = flag.Bool("report", false, "let TestWorld run the first seed, and write what became of it")
	events    = flag.Bool("events", false, "let TestWorld write all that happened")
	countsTo  = flag.String("counts", "", "a file that gets the counts of faults")
)

// world lets the world of a seed happen, as nearly as possible the same way each time: on a seeded runtime
// in a process of its own, where it is just the same.
func world(t *testing.T, seed uint64, opts sim.Options) *sim.Report {
	t.Helper()
	if !seeded || opts.GRPC {
		return here(t, seed, opts)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestWorld$", "-test.timeout", "0", "-from", fmt.Sprint(seed), "-report")
	if opts.KeepEvents {
		cmd.Args = append(cmd.Args, "-events")
	}
	out, err := cmd.CombinedOutput()
	var r sim.Report
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(out)).Decode(&r)
	}
	if err != nil {
		return &sim.Report{Seed: seed, Violations: []sim.Violation{{Rule: sim.Ending, What: fmt.Sprintf("%v: %s", err, out)}}}
	}
	return &r
}

// TestWorld is what a process does that world starts.
func TestWorld(t *testing.T) {
	if !*report {
		t.Skip("it runs where another test starts it")
	}
	require.NoError(t, json.NewEncoder(os.Stdout).Encode(here(t, *from, sim.Options{KeepEvents: *events})))
}

// here lets the world of a seed happen in this process.
func here(t *testing.T, seed uint64, opts sim.Options) (r *sim.Report) {
	t.Helper()
	defer runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(2 << 30)) // a few worlds would take all there is
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		mathrand.Seed(int64(seed)) //nolint:staticcheck // what else draws from it must be reproducible
		seedRuntime(seed)
		r = sim.Run(seed, opts)
	})
	return r
}

func TestSimulation(t *testing.T) { simulate(t, *seeds, sim.Options{}) }

// TestSimulation_OverGRPC has gRPC's own goroutines in the bubble, which follow no seed.
func TestSimulation_OverGRPC(t *testing.T) { simulate(t, *grpcSeeds, sim.Options{GRPC: true}) }

// simulate runs so many seeds, and tells of each that fails how to run it again.
func simulate(t *testing.T, n uint64, opts sim.Options) {
	t.Helper()
	begun := time.Now()
	var counts sim.Counts
	if *processes > 1 && n > 1 {
		counts = share(t, n)
	} else {
		counts = inTurn(t, n, opts)
	}
	t.Logf("%d seeds in %v", n, time.Since(begun).Round(time.Millisecond))
	if *countsTo != "" {
		data, err := json.Marshal(counts)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(*countsTo, data, 0o600))
	}
	for k, n := range counts {
		t.Logf("%6d %v", n, sim.Kind(k))
	}
	if n >= 200 {
		for k, n := range counts {
			require.Positive(t, n, "no seed has %v", sim.Kind(k))
		}
	}
}

// test is the subcommand of go that runs tests on a runtime like this one.
var test = map[bool]string{true: "run ./seeded/cmd test", false: "test"}[seeded]

func inTurn(t *testing.T, n uint64, opts sim.Options) (counts sim.Counts) {
	t.Helper()
	opts.KeepEvents = n == 1 && testing.Verbose()
	for seed := *from; seed < *from+n; seed++ {
		r := world(t, seed, opts)
		counts.Add(&r.Counts)
		for _, e := range r.Events {
			fmt.Println(e)
		}
		for _, v := range r.Violations {
			t.Errorf("seed %d: %v", seed, v)
		}
		if len(r.Violations) > 0 {
			t.Logf("again, with all that happens: go %s ./sim -count=1 -v -run '^%s$' -seeds 1 -grpc-seeds 1 -from %d", test, t.Name(), seed)
			if *first {
				break
			}
		}
	}
	return counts
}

// share lets other processes run the seeds.
func share(t *testing.T, n uint64) (counts sim.Counts) {
	t.Helper()
	dir := t.TempDir()
	var wg sync.WaitGroup
	outputs := make([]string, *processes)
	for i := range *processes {
		first, last := uint64(i)*n/uint64(*processes), uint64(i+1)*n/uint64(*processes)
		part := fmt.Sprint(last - first)
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", "0", "-from", fmt.Sprint(*from+first),
			"-seeds", part, "-grpc-seeds", part, "-counts", filepath.Join(dir, fmt.Sprint(i)))
		wg.Go(func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				outputs[i] = fmt.Sprintf("%s\n%v", out, err)
			}
		})
	}
	wg.Wait()
	for i, out := range outputs {
		if out != "" {
			t.Errorf("%s", out)
		}
		var part sim.Counts
		data, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)))
		if err == nil {
			err = json.Unmarshal(data, &part)
		}
		require.NoError(t, err, "a process has not told what it did")
		counts.Add(&part)
	}
	return counts
}

// A seed that fails is of use if it fails again.
func TestSimulation_Replays(t *testing.T) {
	if underRace {
		t.Skip("the race detector makes goroutines go another way each time")
	}
	const seeds = 8
	same := 0
	for seed := *from; seed < *from+seeds; seed++ {
		traces := make(map[uint64]int)
		most := 0
		for range *replays {
			r := world(t, seed, sim.Options{})
			traces[r.Trace]++
			most = max(most, traces[r.Trace])
		}
		same += most
	}
	t.Logf("%d of %d replays went the same way in all that happened, to the nanosecond", same, seeds**replays)
	if seeded {
		require.Equal(t, seeds**replays, same)
	}
	// On the runtime as it is, maps and selects choose at random, so that about a fifth go another way.
	require.Greater(t, float64(same), 0.7*float64(seeds**replays))
}

func TestSimulation_DiffersBySeed(t *testing.T) {
	traces := make(map[uint64]bool)
	for seed := range uint64(5) {
		traces[world(t, seed, sim.Options{}).Trace] = true
	}
	require.Len(t, traces, 5)
}

func TestKind_HasAName(t *testing.T) {
	names := make(map[string]bool)
	for k := range sim.Kinds {
		require.NotEmpty(t, strings.TrimSpace(k.String()))
		names[k.String()] = true
	}
	require.Len(t, names, int(sim.Kinds))
}
