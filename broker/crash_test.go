package broker_test

import (
	"flag"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
)

var (
	seeds = flag.Int("seeds", 50, "how many seeds the tests of crashes try")
	seed  = flag.Int("seed", -1, "the one seed that they try; -1 for many")
)

// What crashes: topics and groups, and which of these read what.
const (
	crashNormal, crashOrdered, crashDelayed, crashTransacted, crashLite = "N4", "F4", "D2", "T2", "L2"
)

var (
	crashTopics = []broker.Topic{
		{Name: crashNormal, Queues: 4}, {Name: crashOrdered, Queues: 4, Type: broker.FIFO},
		{Name: crashDelayed, Queues: 2, Type: broker.Delay}, {Name: crashTransacted, Queues: 2, Type: broker.Transaction},
		{Name: crashLite, Queues: 2, Type: broker.Lite},
	}
	crashGroups = []broker.Group{
		{Name: "shared"}, {Name: "thrice", RetryMaxTimes: 2}, {Name: "tagged"},
		{Name: "ordered", Ordered: true}, {Name: "ordered-thrice", Ordered: true, RetryMaxTimes: 2},
		{Name: "lite", RetryMaxTimes: 2, Lite: broker.LiteBinding{Topic: crashLite}},
	}
	crashReadings = []reading{
		{group: "shared", topic: crashNormal}, {group: "thrice", topic: crashNormal}, {group: "tagged", topic: crashNormal, tag: "A"},
		{group: "ordered", topic: crashOrdered, inOrder: true}, {group: "ordered-thrice", topic: crashOrdered, inOrder: true},
		{group: "shared", topic: crashOrdered}, {group: "shared", topic: crashDelayed}, {group: "thrice", topic: crashTransacted},
		{group: "lite", topic: crashLite, inOrder: true},
	}
	crashLiteTopics = []string{"l0", "l1", "l2"}
)

// A reading is a group that reads a topic, or what has a tag, perhaps each queue or lite topic in order.
type reading struct {
	group, topic, tag string
	inOrder           bool
}

func (r reading) lite() bool { return r.topic == crashLite }

// What was acknowledged outlives each crash, of the machine or the process, in its place, and what was
// settled does not come back.
func TestDir_LosesNothingThatWasAnswered(t *testing.T) {
	first, last := 0, *seeds
	if *seed >= 0 {
		first, last = *seed, *seed+1
	}
	var all tally
	t.Cleanup(func() { all.check(t) })
	beside := runtime.GOMAXPROCS(0)
	for i := range beside {
		t.Run("beside others", func(t *testing.T) {
			t.Parallel()
			for seed := first + i; seed < last; seed += beside {
				tried, err := crashing(t, seed, fault{})
				require.NoError(t, err, "go test ./broker -run LosesNothing -count 10 -seed %d does much the same again", seed)
				all.add(tried)
			}
		})
	}
}

// The test above has to find what is wrong with a broker that does not sync, or does not wait for it.
func TestDir_LosesAnswersWithoutSync(t *testing.T) {
	for name, f := range map[string]fault{
		"of files":       {disk: unsynced},
		"of directories": {disk: undirect},
		"before answers": {hasty: true},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range *seeds {
				if _, err := crashing(t, seed, f); err != nil {
					t.Logf("found as seed %d: %v", seed, err)
					return
				}
			}
			t.Fatal("nothing was lost")
		})
	}
}
