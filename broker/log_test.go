package broker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQueueLog_GivesEntriesByOffset(t *testing.T) {
	var l queueLog
	require.Empty(t, l.from(0))
	const total = 3*segmentSize + 7
	for i := range int64(total) {
		require.Equal(t, i, l.append([]entry{{commit: i}}))
	}
	first, end := l.bounds()
	require.Zero(t, first)
	require.EqualValues(t, total, end)
	for _, offset := range []int64{0, 1, segmentSize - 1, segmentSize, total - 1} {
		e, ok := l.at(offset)
		require.True(t, ok)
		require.Equal(t, offset, e.commit)
	}
	for _, offset := range []int64{-1, total, total + segmentSize} {
		_, ok := l.at(offset)
		require.False(t, ok)
	}
	var read int64
	for entries := l.from(0); len(entries) > 0; entries = l.from(read) {
		require.Equal(t, read, entries[0].commit)
		read += int64(len(entries))
	}
	require.EqualValues(t, total, read)
}

func TestQueueLog_KeepsWhatWasReadOut(t *testing.T) {
	var l queueLog
	l.append([]entry{{commit: 0}})
	early := l.from(0)
	for i := range int64(2 * segmentSize) {
		l.append([]entry{{commit: i + 1}})
	}
	require.Len(t, early, 1)
	require.Zero(t, early[0].commit)
}

func TestQueueLog_DropsWholeSegments(t *testing.T) {
	var l queueLog
	const total = 3*segmentSize + 7
	for i := range int64(total) {
		l.append([]entry{{commit: i}})
	}
	for _, test := range []struct{ before, first int64 }{
		{-5, 0}, {segmentSize - 1, 0}, {segmentSize, segmentSize}, {segmentSize, segmentSize},
		{3*segmentSize - 1, 2 * segmentSize}, {10 * total, 3 * segmentSize},
	} {
		l.trim(test.before)
		first, end := l.bounds()
		require.Equal(t, test.first, first)
		require.EqualValues(t, total, end)
		require.Empty(t, l.from(first-1))
		e, ok := l.at(first)
		require.True(t, ok)
		require.Equal(t, first, e.commit)
		e, ok = l.at(total - 1)
		require.True(t, ok)
		require.EqualValues(t, total-1, e.commit)
	}
}
