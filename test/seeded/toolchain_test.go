package seeded_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/test/seeded"
)

// The program's goroutines, maps, timers and selects go a way that chance decides, and that the seed
// decides on a seeded runtime.
const program = `package main_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	_ "unsafe"
)

//go:linkname seedRuntime runtime.seedBubble
func seedRuntime(seed uint64)

func TestChance(t *testing.T) {
	runtime.GOMAXPROCS(1)
	for _, seed := range []uint64{1, 1, 2} {
		synctest.Test(t, func(t *testing.T) {
			seedRuntime(seed)
			var out []int
			m := make(map[int]bool)
			done := make(chan int, 40)
			for i := range 20 {
				m[i] = true
				time.AfterFunc(time.Second, func() { done <- i })
			}
			for k := range m {
				out = append(out, k)
			}
			for range 20 {
				out = append(out, <-done)
			}
			ready := make([]chan int, 2)
			for i := range ready {
				ready[i] = make(chan int, 20)
				for range 20 {
					ready[i] <- i
				}
			}
			for range 20 {
				select {
				case i := <-ready[0]:
					out = append(out, i)
				case i := <-ready[1]:
					out = append(out, i)
				}
			}
			fmt.Println("WAY", seed, out, rand.Int())
		})
	}
}
`

func TestToolchain_LeavesNothingToChance(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds Go's standard library")
	}
	tools, err := seeded.New(t.Context())
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/chance\n\ngo 1.27\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "chance_test.go"), []byte(program), 0o600))
	run := func() []string {
		cmd := tools.Command(t.Context(), "test", "-count=1", "-v", ".")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		ways := waysIn(string(out))
		require.Len(t, ways, 3, "%s", out)
		return ways
	}
	ways := run()
	require.Equal(t, ways[0], ways[1])
	require.NotEqual(t, ways[0][len("WAY 1"):], ways[2][len("WAY 2"):])
	require.Equal(t, ways, run(), "in another process")
}

func waysIn(out string) (ways []string) {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "WAY") {
			ways = append(ways, strings.TrimSpace(line))
		}
	}
	return ways
}
