package operators

import (
	"context"

	"github.com/rocketflow-io/rocketflow/state"
)

// keptStanding is how what has come stands to the commit that is under way.
type keptStanding int

const (
	keptFollows keptStanding = iota // it is made up, if it can be, to follow at once
	keptWaits                       // it is left until that is made, so that it goes into one with what still comes
	keptJoins                       // that is made, or has to be before anything is known of what has come
)

// standing tells what to do with what has come.
func (p *keeper[K, T, A, O]) standing() keptStanding {
	if p.under == nil {
		return keptFollows
	}
	p.mu.Lock()
	many := len(p.come)+len(p.over) >= p.many
	p.mu.Unlock()
	if many && p.foresees() && !p.rt.Now().Before(p.restAt) { // else results would be looked at for nothing until then
		return keptFollows
	}
	select {
	case <-p.under.answer:
		return keptJoins
	default:
		return keptWaits
	}
}

// follow makes up a commit while the one before it is under way, and has it under way when that is made. It
// goes by what the store will have then; if that comes otherwise, or cannot be foreseen, it only waits for
// the one before, and tells so: the commit is to be begun.
func (p *keeper[K, T, A, O]) follow(ctx context.Context, c *keptCommit[K, T, A]) (follows bool, err error) {
	before := p.under
	if before == nil || !p.foresee(ctx, c, before.turn) {
		return false, p.join(ctx)
	}
	if c.idle() { // whatever comes of the one before: if that is not made, its keys are looked at again
		c.made(c.turn)
		return true, nil
	}
	<-before.answer
	if before.err != nil {
		return false, p.join(ctx)
	}
	p.took(before)
	p.catchUp(c.turn, before.version)
	p.start(c)
	before.made(before.turn)
	return true, nil
}

// foresees tells whether a commit can be made up while the one before it is under way: as long as no one
// else writes rows, and nothing is to be asked of others or of the store but rows.
func (p *keeper[K, T, A, O]) foresees() bool {
	return len(p.others) == 0 && !p.syncs() && !p.rt.Now().Before(p.lenient) && p.seat.known && p.floor.known
}

// foresee makes up a commit behind a turn that is under way, unless it cannot.
func (p *keeper[K, T, A, O]) foresee(ctx context.Context, c *keptCommit[K, T, A], before *keptTurn[K, T, A]) bool {
	if p.noticeSilence() || !p.foresees() || before.unwritable || before.rises {
		return false
	}
	wants, err := c.wants()
	if err != nil {
		return false // it is found out again
	}
	for i := range wants {
		if wants[i].past {
			return false
		}
	}
	c.turn = p.vacant(c)
	if p.load(ctx, c.turn, before, wants) != nil || p.noticeSilence() {
		return false
	}
	c.plan(c.turn)
	p.changes(c)
	return true
}

// catchUp has a turn that was made up behind another expect what the store has since that was made.
func (p *keeper[K, T, A, O]) catchUp(t *keptTurn[K, T, A], version state.Version) {
	for i, w := range t.writes {
		switch {
		case w.seat:
			t.draft.Writes[i].If = p.seat.version
		case w.key != nil && w.key.before != nil && w.key.before.touched:
			w.key.version = version
			t.draft.Writes[i].If = version
		}
	}
}
