package state

// Kept gives how many entries are in memory, expired ones included.
func (m *Memory) Kept() int {
	n := 0
	for _, items := range m.tables {
		n += len(items)
	}
	return n
}
