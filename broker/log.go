package broker

import (
	"sync"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

const (
	// entryOverhead is what an entry takes of the imagined commit log beside its body, so that two
	// messages never share a position.
	entryOverhead = 100
	segmentSize   = 256
)

// An entry is one stored message. It never changes.
type entry struct {
	message  *v2.Message // as it was sent, with what the broker adds once
	storedAt int64       // Unix milliseconds
	commit   int64       // position in the commit log: field 9 of a receipt handle
	attempt  int32       // deliveries that failed before this copy was stored
}

// A queueLog is one queue: entries by offset, from 0, append-only. It is kept in segments, so that
// growing copies nothing and what has been read out stays valid without the lock.
type queueLog struct {
	mu       sync.RWMutex // guards what follows; a leaf: nothing is locked under it
	segments []*[segmentSize]entry
	length   int64
}

// append stores entries and gives the offset of the first.
func (l *queueLog) append(entries []entry) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.length
	for _, e := range entries {
		at := l.length % segmentSize
		if at == 0 {
			l.segments = append(l.segments, new([segmentSize]entry))
		}
		l.segments[len(l.segments)-1][at] = e
		l.length++
	}
	return first
}

// end gives the offset that the next entry will have.
func (l *queueLog) end() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.length
}

// from gives the entries from offset on that lie in one segment: none only at the end.
func (l *queueLog) from(offset int64) []entry {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if offset < 0 || offset >= l.length {
		return nil
	}
	segment, at := offset/segmentSize, offset%segmentSize
	return l.segments[segment][at:min(segmentSize, l.length-segment*segmentSize)]
}

// at gives the entry at offset, if there is one.
func (l *queueLog) at(offset int64) (entry, bool) {
	if entries := l.from(offset); len(entries) > 0 {
		return entries[0], true
	}
	return entry{}, false
}
