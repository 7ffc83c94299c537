package operators

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/rocketflow-io/rocketflow/state"
)

// keptSeat is the process's entry among the members, as the store has it.
type keptSeat struct {
	version state.Version
	number  uint64 // of the last turn that was made
	known   bool
	told    time.Time // when it was written
}

// keptMember is another process.
type keptMember struct {
	version state.Version
	mark    instant
	at      keptAt
}

// keptAt is what a process is at.
type keptAt byte

const (
	keptWorks keptAt = iota
	keptIdle         // it has had no records for a while: its watermark does not count
	keptEnded        // it has had all: likewise
)

// keptFloor is how far the watermark of all had come when windows were last closed by it, and before. It
// is in the store so that no one begins anew what is closed, after a restart either.
type keptFloor struct {
	mark    instant
	version state.Version
	known   bool
}

// floorKey is the key of the floor among the members, whose keys are longer.
var floorKey = []byte("mark")

// keptSyncEvery is how often the other processes are asked how far they are, while there are any, and
// keptSyncAlone how often it is looked whether there are.
const (
	keptSyncEvery = 200 * time.Millisecond
	keptSyncAlone = time.Second
)

// seated sees to it that the process knows its entry and the floor. An entry that has expired is made
// anew: others may have taken over what it had begun.
func (p *keeper[K, T, A, O]) seated(ctx context.Context) error {
	if p.seat.known && p.floor.known {
		return nil
	}
	entries, err := p.kept.Store.Get(ctx, p.tables.members, []byte(p.self), floorKey)
	if err != nil {
		return err
	}
	seat := keptSeat{version: entries[0].Version, known: true, told: p.seat.told}
	if entries[0].Found() {
		r := &keptReader{b: entries[0].Value}
		if seat.number = r.number(); r.err != nil {
			return r.err
		}
	}
	p.seat = seat
	return p.takeFloor(entries[1])
}

// takeFloor takes note of the floor.
func (p *keeper[K, T, A, O]) takeFloor(e state.Entry) error {
	p.floor = keptFloor{mark: never, version: e.Version, known: true}
	if !e.Found() {
		return nil
	}
	r := &keptReader{b: e.Value}
	p.floor.mark = r.instant()
	steps := make([]pastStep, r.count())
	for i := range steps {
		steps[i] = pastStep{time.Unix(0, int64(r.instant())), r.instant()}
	}
	p.past.steps = steps
	p.high = max(p.high, p.floor.mark)
	return r.err
}

// risenFloor gives the floor as it is when the watermark is its mark.
func (p *keeper[K, T, A, O]) risenFloor() []byte {
	next := past{grace: p.past.grace, steps: append([]pastStep(nil), p.past.steps...)}
	next.note(p.rt, p.high)
	next.mark(p.rt) // forgets what is older
	b := binary.AppendVarint(nil, int64(p.high))
	b = binary.AppendUvarint(b, uint64(len(next.steps)))
	for _, s := range next.steps {
		b = binary.AppendVarint(b, s.at.UnixNano())
		b = binary.AppendVarint(b, int64(s.mark))
	}
	return b
}

// encodeSeat gives the entry of a process among the members.
func encodeSeat(number uint64, mark instant, at keptAt) []byte {
	b := binary.AppendUvarint(nil, number)
	b = binary.AppendVarint(b, int64(mark))
	return append(b, byte(at))
}

// sync learns how far the others are, and moves the watermark to the least. What is idle does not count;
// while nothing else is, the watermark stays.
func (p *keeper[K, T, A, O]) sync(ctx context.Context) error {
	others := make(map[string]keptMember)
	for e, err := range p.kept.Store.Scan(ctx, p.tables.members, state.Range{}) {
		if err != nil {
			return err
		}
		switch string(e.Key) {
		case p.self:
		case string(floorKey):
			if e.Version != p.floor.version {
				if err := p.takeFloor(e); err != nil {
					return err
				}
			}
		default:
			r := &keptReader{b: e.Value}
			r.number()
			others[string(e.Key)] = keptMember{version: e.Version, mark: r.instant(), at: keptAt(r.octet())}
			if r.err != nil {
				return r.err
			}
		}
	}
	if len(others) > 0 {
		p.cache.clear() // rows change without notice
	}
	for gone := range p.others {
		if _, still := others[gone]; !still {
			p.fullAt = p.rt.Now() // what it had begun is to be taken over
		}
	}
	p.others, p.synced = others, p.rt.Now()
	p.rise()
	return nil
}

// rise moves the watermark of all.
func (p *keeper[K, T, A, O]) rise() {
	least, any := p.own, p.at == keptWorks
	if !any {
		least = always
	}
	for _, m := range p.others {
		if m.at == keptWorks {
			least, any = min(least, m.mark), true
		}
	}
	if any {
		p.high = max(p.high, least)
	}
}

// keepUp learns how far the others are, if what is known of them is too old.
func (p *keeper[K, T, A, O]) keepUp(ctx context.Context) error {
	if !p.syncs() {
		return nil
	}
	return p.sync(ctx)
}

// syncs tells whether what is known of the others is too old.
func (p *keeper[K, T, A, O]) syncs() bool { return p.rt.Now().Sub(p.synced) >= p.syncAfter() }

// syncAfter is how long what is known of the others is good for.
func (p *keeper[K, T, A, O]) syncAfter() time.Duration {
	if len(p.others) > 0 {
		return keptSyncEvery
	}
	return min(keptSyncAlone, p.kept.Heartbeat/3)
}
