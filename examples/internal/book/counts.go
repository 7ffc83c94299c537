package book

import (
	"maps"
	"math/bits"
)

// Counts is what a book says, in rows of the file.
type Counts struct {
	// Read is how many rows the file has, as far as it was read; Rejected how many of them went
	// to the dead letters, so that the topic has the others.
	Read, Rejected int
	// Acked is how many rows are settled and acknowledged.
	Acked int
	// Dropped is how many had no arrival delay, Arrived how many had one, Late how many of those
	// were late, Dead how many went from the topic to the dead letters.
	Dropped, Arrived, Late, Dead int
	// Duplicates is how many messages were settled whose row had been settled before.
	Duplicates int
	// Carriers is the tally, by carrier.
	Carriers map[string]Carrier
}

// Loaded gives how many rows the topic has.
func (c Counts) Loaded() int { return c.Read - c.Rejected }

// Counts gives what the book says now.
func (b *Book) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Counts{
		Read:       b.read,
		Rejected:   b.ofLocked(rejected),
		Acked:      b.ofLocked(settled) - b.ofLocked(unacked),
		Dropped:    b.ofLocked(dropped),
		Arrived:    b.ofLocked(arrived),
		Late:       b.ofLocked(late),
		Dead:       b.ofLocked(dead),
		Duplicates: b.duplicates,
		Carriers:   maps.Clone(b.carriers),
	}
}

// Progress gives how many rows are acknowledged, of how many that the topic has.
func (b *Book) Progress() (acked, loaded int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ofLocked(settled) - b.ofLocked(unacked), b.read - b.ofLocked(rejected)
}

// Loading gives how many rows are loaded. Of how many is not known, which is 0.
func (b *Book) Loading() (loaded, total int) { return b.Loaded(), 0 }

// Missing gives the first rows, at most n, that the topic has and that are not acknowledged.
func (b *Book) Missing(n int) []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rows []int
	for row := 1; row <= b.read && len(rows) < n; row++ {
		known := b.rows[row]
		if known&rejected == 0 && known&(settled|unacked) != settled {
			rows = append(rows, row)
		}
	}
	return rows
}

// A prefix is how far a sequence of numbers from 1 has no gap.
type prefix struct {
	upTo  int
	ahead map[int]struct{} // numbers behind the first gap
}

func (p *prefix) add(n int) {
	if n <= p.upTo {
		return
	}
	if p.ahead == nil {
		p.ahead = make(map[int]struct{})
	}
	p.ahead[n] = struct{}{}
	for p.has(p.upTo + 1) {
		p.upTo++
		delete(p.ahead, p.upTo)
	}
}

func (p *prefix) has(n int) bool {
	_, ok := p.ahead[n]
	return ok
}

// ofLocked gives how many rows a fact is known of.
func (b *Book) ofLocked(f facts) int { return b.counts[bits.TrailingZeros8(uint8(f))] }
