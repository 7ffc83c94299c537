package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// checkLease adds up how long a record may be held on its way. A fifth of the lease is left for
// the work itself: functions, writes, and the acknowledgement.
func checkLease(traits stage.SourceTraits, path []*Stage) error {
	if traits.Lease == 0 {
		return nil
	}
	var held time.Duration
	var terms []string
	for _, st := range path {
		if st.holds && st.holdsFor == 0 && !st.Desc.HoldsLeft {
			return fmt.Errorf("flow: stage %q may hold records without a bound in time, but those of source %q have a lease of %v: give it an age", st.Name, path[0].Name, traits.Lease)
		}
		if st.holdsFor > 0 {
			held += st.holdsFor
			terms = append(terms, fmt.Sprintf("%v in %q", st.holdsFor, st.Name))
		}
	}
	budget := leaseBudget(traits)
	if sharing := slices.ContainsFunc(path, func(st *Stage) bool { return st.Desc.HoldsLeft }); held < budget || held == budget && !sharing {
		return nil
	}
	return fmt.Errorf("flow: records of source %q may be held for %v (%s), but of their lease of %v at most %v may be spent waiting: shorten the waits, or lengthen the lease",
		path[0].Name, held, strings.Join(terms, " + "), traits.Lease, budget)
}

// leaseBudget is how long a record may wait in stages.
func leaseBudget(traits stage.SourceTraits) time.Duration { return traits.Lease / 5 * 4 }

// leftFor gives how long each stage of a path that holds for what the lease leaves may do so; 0 if
// there is no lease.
func leftFor(traits stage.SourceTraits, path []*Stage) time.Duration {
	left, sharers := leaseBudget(traits), 0
	for _, st := range path {
		left -= st.holdsFor
		if st.Desc.HoldsLeft {
			sharers++
		}
	}
	if traits.Lease == 0 || sharers == 0 {
		return 0
	}
	return left / time.Duration(sharers)
}

// Leases tells how the leases of the sources are shared out, by the names of stages.
type Leases struct {
	// Budget is how long the records of each source that has a lease may wait in stages, and Spent for
	// how long they may at most, on the way on which that is longest.
	Budget, Spent map[string]time.Duration
	// Left is how long a stage that holds records for as long as their lease leaves may do so.
	Left map[string]time.Duration
}

// Leases gives what is known of leases before anything is opened.
func (p *Plan) Leases() Leases {
	l := Leases{make(map[string]time.Duration), make(map[string]time.Duration), make(map[string]time.Duration)}
	for _, s := range p.run.sources {
		traits, from := s.declared(), s.base()
		if traits.Lease == 0 {
			continue
		}
		l.Budget[from.Name] = leaseBudget(traits)
		from.paths(nil, func(path []*Stage) {
			path = answering(path)
			left, spent := leftFor(traits, path), time.Duration(0)
			for _, st := range path {
				spent += st.holdsFor
				if !st.Desc.HoldsLeft {
					continue
				}
				spent += left
				if least, known := l.Left[st.Name]; !known || left < least {
					l.Left[st.Name] = left
				}
			}
			l.Spent[from.Name] = max(l.Spent[from.Name], spent)
		})
	}
	return l
}
