package broker_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// A fortune is what may become of a message that is not stored when it is sent.
type fortune struct {
	inTransaction    bool
	patient          bool      // it names a time for the recovery
	due              time.Time // of its delivery; zero for at once
	handle           string    // to recall it; "" for none
	stored, withheld bool      // whether it must, and whether it may not be received in the end
	undecided        bool      // its producer spoke, perhaps after the time for recovery: neither is known
}

// A seer is a producer that does things at random to messages that are not stored yet.
type seer struct {
	*rig
	random *rand.Rand
	all    map[string]*fortune
	ids    []string
	asked  func() []asked
}

func (s *seer) step() {
	switch s.random.IntN(6) {
	case 0, 1:
		s.sendOne()
	case 2:
		if f, id := s.any(); f != nil && f.inTransaction {
			s.resolve(f, id, byClient)
		}
	case 3:
		if f, _ := s.any(); f != nil && f.handle != "" {
			if s.recall("M", f.handle).GetStatus().GetCode() == v2.Code_OK {
				f.stored, f.withheld = false, true
			}
		}
	case 4:
		for _, a := range s.asked() {
			s.resolve(s.all[a.GetTransactionId()], a.GetTransactionId(), byCheck)
		}
	case 5:
		s.alive(time.Duration(s.random.IntN(40_000))*time.Millisecond, "seer")
	}
}

func (s *seer) any() (*fortune, string) {
	if len(s.ids) == 0 {
		return nil, ""
	}
	id := s.ids[s.random.IntN(len(s.ids))]
	return s.all[id], id
}

func (s *seer) sendOne() {
	f := &fortune{inTransaction: s.random.IntN(2) == 0}
	id := fmt.Sprint(len(s.ids))
	m := message("M", id, id)
	if f.inTransaction {
		inTransaction(m)
		if f.patient = s.random.IntN(3) == 0; f.patient {
			recoverAfter(time.Duration(s.random.IntN(60)) * time.Second)(m)
		}
	}
	if !f.inTransaction || s.random.IntN(3) == 0 {
		ahead := time.Duration(s.random.IntN(3_600_000)) * time.Millisecond
		deliverIn(ahead)(m)
		f.due = time.Now().Add(ahead)
	}
	f.stored = !f.inTransaction
	code, entries := s.sent(m)
	s.Equal(v2.Code_OK, code)
	f.handle = entries[0].GetRecallHandle()
	s.all[id] = f
	s.ids = append(s.ids, id)
}

// resolve ends a transaction, or leaves it open. An OK decides, unless the broker does not listen
// to the producer any more.
func (s *seer) resolve(f *fortune, id string, source v2.TransactionSource) {
	resolution := []v2.TransactionResolution{commit, rollback, leaveOpen}[s.random.IntN(3)]
	code := s.endOf("M", id, resolution, source)
	if code != v2.Code_OK || resolution == leaveOpen {
		return
	}
	s.False(f.stored || f.withheld, "transaction %s is resolved a second time", id)
	switch {
	case source == byClient && f.patient:
		f.undecided = true
	case resolution == commit:
		f.stored = true
	default:
		f.withheld = true
	}
}

// counts gives how often each message is stored in a topic, and when last.
func (s *seer) counts(topic string) (map[string]int, map[string]time.Time) {
	count, at := map[string]int{}, map[string]time.Time{}
	for _, m := range s.broker.Messages(topic) {
		count[m.ID]++
		at[m.ID] = m.StoredAt
	}
	return count, at
}

func (s *seer) judge() {
	stored, at := s.counts("M")
	abandoned, _ := s.counts("TRANS_CHECK_MAX_TIME_TOPIC")
	for id, f := range s.all {
		what := fmt.Sprintf("message %s: %+v", id, *f)
		s.LessOrEqual(stored[id]+abandoned[id], 1, what)
		switch {
		case f.stored:
			s.Equal(1, stored[id], what)
		case f.withheld:
			s.Equal(0, stored[id]+abandoned[id], what)
		case !f.undecided:
			s.Equal(1, abandoned[id], what)
		}
		if stored[id] > 0 {
			s.False(at[id].Before(f.due), what)
		}
	}
}

func TestBroker_StoresEachMessageOnceItsTimeHasComeAndItsTransactionIsCommitted(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			withRecall(t, func(r *rig) {
				s := &seer{rig: r, random: rand.New(rand.NewPCG(seed, 1)), all: map[string]*fortune{}}
				s.asked = r.producer("seer", nil, "M")
				for range 300 {
					s.step()
				}
				time.Sleep(2 * time.Hour)
				s.judge()
			})
		})
	}
}
