package engine

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// check holds what each source declares against the stages below it.
func (r *Run) check() error {
	var errs []error
	for _, s := range r.sources {
		traits, from := s.declared(), s.base()
		from.paths(nil, func(path []*Stage) {
			bound := answering(path)
			errs = append(errs, checkKeyed(traits, bound), checkLease(traits, bound), checkIdentity(traits, path), checkPositions(traits, path), checkRoom(path))
		})
	}
	return errors.Join(errs...)
}

// paths calls f with each way from the stage down to a sink.
func (s *Stage) paths(before []*Stage, f func(path []*Stage)) {
	path := append(before[:len(before):len(before)], s)
	if len(s.next) == 0 {
		f(path)
		return
	}
	for _, next := range s.next {
		next.paths(path, f)
	}
}

// answering gives the stages of a path whose records their source waits for: the first that frees them
// of that is the last.
func answering(path []*Stage) []*Stage {
	for i, st := range path {
		if st.frees > 0 {
			return path[:i+1]
		}
	}
	return path
}

// checkRoom sees to it that an optional branch has room for what its stages hold: else they could wait
// for ever for what is not let in.
func checkRoom(path []*Stage) error {
	for i, st := range path {
		if n := held(path[i:]); st.frees > 0 && n > st.frees {
			return fmt.Errorf("flow: stage %q lets at most %d records into its branch, but the stages there may hold %s: let in more, or hold fewer", st.Name, st.frees, count(n))
		}
	}
	return nil
}

// count is a number of records in words.
func count(n int) string {
	if n == math.MaxInt32 {
		return "any number"
	}
	return strconv.Itoa(n)
}

func checkKeyed(traits stage.SourceTraits, path []*Stage) error {
	for _, st := range path {
		if traits.Keyed && st.Desc.Holds {
			return fmt.Errorf("flow: stage %q holds records, but source %q orders by key: while one is held its queue gives no other, and the pipeline stalls: batch at the sink with flow.Batched, or keep windows in a store by KeptIn, instead", st.Name, path[0].Name)
		}
	}
	return nil
}

// checkIdentity keeps joint records away from operators that know a record by its id.
func checkIdentity(traits stage.SourceTraits, path []*Stage) error {
	joins := -1
	for i, st := range path {
		switch {
		case traits.Redelivers && st.Desc.Recognizes && joins >= 0:
			return fmt.Errorf("flow: stage %q knows a record that comes again by its id, but stage %q above it makes one record of several: put %q first, or tell it what to know values by", st.Name, path[joins].Name, st.Name)
		case st.Desc.Answers:
			joins = -1 // its records have ids of their own
		case joins < 0 && st.holds && st.holdsMost != 1 && !st.Desc.HoldsAhead:
			joins = i
		}
	}
	return nil
}

// checkPositions keeps records that come again away from operators that go by their position.
func checkPositions(traits stage.SourceTraits, path []*Stage) error {
	for _, st := range path {
		if traits.Redelivers && st.Desc.Positional {
			return fmt.Errorf("flow: stage %q goes by the position of records, but source %q delivers what fails again, at another: pair by a key instead", st.Name, path[0].Name)
		}
	}
	return nil
}

// tell prepares the stages below a source for its records, writers of dead letters among them.
func (r *Run) tell(s reading) {
	s.base().paths(nil, func(path []*Stage) {
		traits, bound := s.declared(), answering(path)
		traits.Redelivery = max(traits.Redelivery, traits.Lease, r.retriedAfter())
		for i, st := range path {
			if i == len(bound) {
				traits.Keyed, traits.Lease = false, 0
			}
			if i > 0 && path[i-1].Desc.Answers { // what fails below it comes again
				traits.Redelivers, traits.Redelivery = true, max(traits.Redelivery, givesAgainAfter)
			}
			st.expect(traits)
			st.learn(traits, path[:max(i+1, len(bound))])
			if dl, ok := r.buriers[st.policy.DeadLetter]; ok {
				dl.(part).base().expect(traits)
			}
		}
		s.foresee(held(bound), slices.ContainsFunc(bound, (*Stage).mayWait))
		if slices.ContainsFunc(bound, func(st *Stage) bool { return st.Desc.HoldsAhead && st.Desc.HoldsLeft }) {
			s.unpace()
		}
	})
}

// givesAgainAfter is how long a stage that answers for its records takes at most to give again what failed.
const givesAgainAfter = time.Minute

// retriedAfter is how long failures take at most that retry topics bring back.
func (r *Run) retriedAfter() (longest time.Duration) {
	for dl := range r.buriers {
		if retry, ok := dl.Sink.(stage.RetrySink); ok {
			longest = max(longest, retry.Redelivery())
		}
	}
	return longest
}

// held gives how many records the stages of a path may hold together: each of a batch's members
// may itself be a batch.
func held(path []*Stage) int {
	n := 1
	for _, st := range path {
		switch {
		case !st.holds || st.Desc.HoldsAhead:
		case st.holdsMost == 0 || n > math.MaxInt32/st.holdsMost:
			return math.MaxInt32
		default:
			n *= st.holdsMost
		}
	}
	return n
}
