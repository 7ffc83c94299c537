package broker

import "unicode/utf16"

// queueOf chooses the queue of a message group as the server does: the group's Java hash code,
// spread by jump consistent hashing.
func queueOf(messageGroup string, queues int) int {
	return jump(javaHash(messageGroup), queues)
}

// javaHash is String.hashCode of Java, over UTF-16 units.
func javaHash(s string) int32 {
	var h int32
	for _, unit := range utf16.Encode([]rune(s)) {
		h = 31*h + int32(unit)
	}
	return h
}

// jump gives one of n buckets for a hash, so that few move when n grows.
func jump(hash int32, n int) int {
	state, candidate := uint64(int64(hash)), 0
	for {
		state = 2862933555777941757*state + 1
		next := int(float64(candidate+1) / (float64(int32(state>>33)+1) / (1 << 31)))
		if next < 0 || next >= n {
			return candidate
		}
		candidate = next
	}
}
