package broker

import (
	"slices"
	"sync"
)

const (
	// entryOverhead is what an entry takes of the imagined commit log beside its body, so that two
	// messages never share a position.
	entryOverhead = 100
	segmentSize   = 256
)

// An entry is one stored message. It never changes.
type entry struct {
	record         // as it was sent, with what the broker adds once
	storedAt int64 // Unix milliseconds
	commit   int64 // position in the commit log: field 9 of a receipt handle
	attempt  int32 // deliveries that failed before this copy was stored
}

// A queueLog is one queue: entries by offset, from 0, append-only. It is kept in segments, so that
// growing copies nothing, what has been read out stays valid without the lock, and the oldest can
// be dropped.
type queueLog struct {
	mu       sync.RWMutex // guards what follows; nothing but the diary's journal is locked under it
	segments []*[segmentSize]entry
	first    int64 // the first offset kept, where a segment begins
	next     int64 // the offset that the next entry will have

	diary *diary // where is written down what happens to it; nil if nowhere
	where where  // it is, as the diary calls it
}

// append stores entries and gives the offset of the first.
func (l *queueLog) append(entries []entry) int64 { return l.appendAfter(nil, entries) }

func (l *queueLog) appendAfter(cause events, entries []entry) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.next
	if l.diary != nil && len(entries) > 0 {
		l.diary.write(l.where.entriesEvent(cause, first, entries))
	}
	for _, e := range entries {
		at := l.next % segmentSize
		if at == 0 {
			l.segments = append(l.segments, new([segmentSize]entry))
		}
		l.segments[len(l.segments)-1][at] = e
		l.next++
	}
	return first
}

// bounds gives the first offset kept, and the one that the next entry will have.
func (l *queueLog) bounds() (first, end int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.first, l.next
}

// from gives the entries from offset on that lie in one segment: none only where nothing is kept.
func (l *queueLog) from(offset int64) []entry {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if offset < l.first || offset >= l.next {
		return nil
	}
	segment, at := (offset-l.first)/segmentSize, offset%segmentSize
	return l.segments[segment][at:min(segmentSize, l.next-l.first-segment*segmentSize)]
}

// at gives the entry at offset, if it is kept.
func (l *queueLog) at(offset int64) (entry, bool) {
	if entries := l.from(offset); len(entries) > 0 {
		return entries[0], true
	}
	return entry{}, false
}

// last gives the entry stored last, if it is kept.
func (l *queueLog) last() (entry, bool) {
	_, end := l.bounds()
	return l.at(end - 1)
}

// exceeds tells whether keep could drop something.
func (l *queueLog) exceeds(entries int64) bool {
	first, end := l.bounds()
	return entries != 0 && end-entries-first >= segmentSize
}

// keep drops what lies before the offset read, but for the latest entries, of which there are to
// be so many; 0 is for all.
func (l *queueLog) keep(entries, read int64) {
	if entries == 0 {
		return
	}
	first, end := l.bounds()
	if before := min(read, end-entries); before-first >= segmentSize {
		l.trim(before)
	}
}

// trim drops the segments that lie before offset.
func (l *queueLog) trim(offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := (min(offset, l.next) - l.first) / segmentSize; n > 0 {
		l.segments = slices.Delete(l.segments, 0, int(n))
		l.first += n * segmentSize
		if l.diary != nil {
			l.diary.write(l.where.event(eventTrim).number(l.first))
		}
	}
}
