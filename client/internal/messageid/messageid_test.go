package messageid

import (
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGenerator_MakesIDsOfVersionOne(t *testing.T) {
	require.Regexp(t, regexp.MustCompile(`^01[0-9A-F]{32}$`), New().Next())
}

func TestGenerator_NeverRepeatsWhenManyUseIt(t *testing.T) {
	const workers, each = 8, 2000
	one, two := New(), New()
	var (
		mu   sync.Mutex
		seen = make(map[string]bool)
		wg   sync.WaitGroup
	)
	for range workers {
		wg.Go(func() {
			for range each {
				a, b := one.Next(), two.Next()
				mu.Lock()
				seen[a], seen[b] = true, true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, seen, 2*workers*each)
}

func TestGenerator_CountsSecondsSince2021(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble begins at 2000-01-01, so seconds wrap below zero
		g := New()
		before := g.Next()[18:26]
		time.Sleep(16 * time.Second)
		after := g.Next()[18:26]
		require.Equal(t, before[7], after[7])
		require.NotEqual(t, before[6], after[6])
	})
}

func TestGenerator_AllocatesOnlyTheText(t *testing.T) {
	g := New()
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = g.Next() }), 1.0)
}

func BenchmarkGenerator_Next(b *testing.B) {
	g := New()
	b.ReportAllocs()
	for b.Loop() {
		_ = g.Next()
	}
}
