package stage_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errTest = errors.New("test failure")

// owner counts what its slab tells it.
type owner struct {
	some, all atomic.Int32
	ended     func(s *stage.Slab)
}

func (o *owner) Settled(s *stage.Slab, all bool) {
	if !all {
		o.some.Add(1)
		return
	}
	o.all.Add(1)
	if o.ended != nil {
		o.ended(s)
	}
}

func (o *owner) Info(i int) stage.Info { return stage.Info{Key: string(rune('a' + i))} }
func (o *owner) Origin(i int) any      { return i }

func opened(n int) (*stage.Slab, *owner, []stage.Duty) {
	s, o := &stage.Slab{}, &owner{}
	s.Open(n, o, stage.SlabOptions{First: 10})
	return s, o, duties(s)
}

func duties(s *stage.Slab) []stage.Duty {
	all := make([]stage.Duty, s.Len())
	for i := range all {
		all[i] = s.Duty(i)
	}
	return all
}

func TestDuty_SettlesOnce(t *testing.T) {
	s, o, d := opened(2)
	s.Release()
	require.True(t, d[0].Done())
	require.False(t, d[0].Done(), "rule 1")
	require.False(t, d[0].Fail(errTest))
	require.False(t, d[0].Retain(1))
	err, settled := s.Outcome(0)
	require.NoError(t, err)
	require.True(t, settled)
	require.Zero(t, o.all.Load())
	require.True(t, d[1].Fail(errTest))
	require.EqualValues(t, 1, o.all.Load())
	err, _ = s.Outcome(1)
	require.ErrorIs(t, err, errTest)
}

func TestDuty_SettlesWhenAllThatWereRetainedHave(t *testing.T) {
	s, o, d := opened(1)
	s.Release()
	require.True(t, d[0].Retain(2))
	d[0].Done()
	d[0].Done()
	_, settled := s.Outcome(0)
	require.False(t, settled)
	d[0].Done()
	require.EqualValues(t, 1, o.all.Load())
}

// Rule 4: a failure wins over what was and will be done, and the first one stands.
func TestDuty_FailsIfOneOfItsPartsDoes(t *testing.T) {
	s, _, d := opened(1)
	s.Release()
	d[0].Retain(2)
	d[0].Done()
	d[0].Fail(errTest)
	d[0].Fail(errors.New("second"))
	err, settled := s.Outcome(0)
	require.True(t, settled)
	require.Equal(t, errTest, err)
}

// Rule 4: what one part hands back is to blame all the same if another is. A record that fails for ever would
// else come again for ever, uncounted.
func TestDuty_IsHandedBackUnlessAnotherPartFails(t *testing.T) {
	behind := fmt.Errorf("behind another: %w", stage.ErrHandedBack)
	for _, row := range []struct {
		parts []error
		want  error
	}{
		{[]error{nil, behind, nil}, behind},
		{[]error{behind, stage.ErrHandedBack}, behind},
		{[]error{behind, stage.ErrPutOff}, behind},
		{[]error{stage.ErrPutOff, behind}, behind},
		{[]error{behind, errTest, errors.New("second")}, errTest},
		{[]error{errTest, behind}, errTest},
		{[]error{stage.ErrPutOff, behind, nil, errTest}, errTest},
	} {
		s, o, d := opened(1)
		d[0].Retain(len(row.parts) - 1)
		for _, err := range row.parts {
			require.True(t, d[0].Settle(err))
		}
		err, settled := s.Outcome(0)
		require.True(t, settled)
		require.Equal(t, row.want, err, "%v", row.parts)
		s.Release()
		require.EqualValues(t, 1, o.all.Load())

		s.Open(1, o, stage.SlabOptions{}) // what was is forgotten
		again := s.Duty(0)
		again.Fail(stage.ErrHandedBack)
		err, _ = s.Outcome(0)
		require.Equal(t, stage.ErrHandedBack, err)
		s.Release()
	}
}

// Rule 4, whoever comes first: no failure is lost to one who hands back at the same moment.
func TestDuty_IsHandedBackUnlessAnotherPartFailsAtTheSameTime(t *testing.T) {
	for range 2000 {
		s, _, d := opened(1)
		d[0].Retain(2)
		var work sync.WaitGroup
		for _, err := range []error{stage.ErrHandedBack, errTest, stage.ErrHandedBack} {
			work.Go(func() { d[0].Fail(err) })
		}
		work.Wait()
		err, _ := s.Outcome(0)
		require.Equal(t, errTest, err)
		s.Release()
	}
}

// Rule 4: what is put off is not done, whatever else is, and a failure wins over it.
func TestDuty_IsPutOffIfOneOfItsPartsIs(t *testing.T) {
	done, put, fail := stage.Duty.Done, stage.Duty.PutOff, func(d stage.Duty) bool { return d.Fail(errTest) }
	for _, row := range []struct {
		parts []func(stage.Duty) bool
		want  error
	}{
		{[]func(stage.Duty) bool{put}, stage.ErrPutOff},
		{[]func(stage.Duty) bool{put, done, done}, stage.ErrPutOff},
		{[]func(stage.Duty) bool{done, put, put}, stage.ErrPutOff},
		{[]func(stage.Duty) bool{put, fail, done}, errTest},
		{[]func(stage.Duty) bool{fail, put}, errTest},
	} {
		s, o, d := opened(2)
		s.Release()
		d[0].Retain(len(row.parts) - 1)
		for _, settle := range row.parts {
			require.True(t, settle(d[0]))
		}
		require.False(t, d[0].PutOff(), "rule 1")
		err, settled := s.Outcome(0)
		require.True(t, settled)
		require.Equal(t, row.want, err)
		d[1].Done()
		require.EqualValues(t, 1, o.all.Load())
		require.False(t, s.AllDone())
		err, _ = s.Outcome(1)
		require.NoError(t, err)

		stood, _, outer := opened(1)
		stood.Release()
		stage.Join(0, []stage.Duty{outer[0].StandIn(func(err error) { outer[0].Settle(err) }), {}}).Settle(row.want)
		err, settled = stood.Outcome(0)
		require.True(t, settled)
		require.Equal(t, row.want, err, "passed on by a joint record and a stand-in")
	}
}

// A failure that is made of it does not acknowledge.
func TestDuty_IsNotPutOffByAFailure(t *testing.T) {
	s, _, d := opened(2)
	s.Release()
	d[0].Fail(stage.ErrPutOff)
	d[1].Fail(fmt.Errorf("work: %w", stage.ErrPutOff))
	for i := range d {
		err, _ := s.Outcome(i)
		require.Equal(t, stage.ErrHandedBack, err)
	}
}

func TestDuty_OfNothingSettlesNothing(t *testing.T) {
	var d stage.Duty
	require.True(t, d.Done() && d.Fail(errTest) && d.PutOff() && d.Settle(nil) && d.Retain(3))
	require.Zero(t, d.Info())
	require.Nil(t, d.Origin())
	require.Nil(t, d.Owner())
	require.Zero(t, d.Sequence())
	stage.DoneAll([]stage.Duty{d, d})
}

func TestDuty_KnowsItsRecordUntilItIsSettled(t *testing.T) {
	s, o, d := opened(2)
	require.Equal(t, "b", d[1].Info().Key)
	require.Equal(t, 1, d[1].Origin())
	require.EqualValues(t, 11, d[1].Sequence())
	require.Equal(t, o, d[1].Owner())
	d[1].Done()
	require.Zero(t, d[1].Info())
	require.Nil(t, d[1].Origin())
	d[0].Fail(nil)
	s.Release()
	err, _ := s.Outcome(0)
	require.ErrorIs(t, err, stage.ErrHandedBack, "to fail without an error is to hand back")
}

// A duty of an earlier use of the slab changes nothing.
func TestSlab_IgnoresDutiesOfEarlierUses(t *testing.T) {
	s, _, old := opened(3)
	s.Release()
	stage.DoneAll(old)
	o := &owner{}
	s.Open(3, o, stage.SlabOptions{})
	s.Release()
	for _, d := range old {
		require.False(t, d.Done() || d.Fail(errTest) || d.Retain(1))
		require.Zero(t, d.Info())
	}
	stage.DoneAll(old)
	require.Zero(t, o.all.Load()+o.some.Load())
	stage.DoneAll(duties(s))
	require.EqualValues(t, 1, o.all.Load())
	for i := range 3 {
		err, settled := s.Outcome(i)
		require.NoError(t, err)
		require.True(t, settled)
	}
}

func TestSlab_TellsOfOutcomesBeforeReleaseUnlessQuiet(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		s, o := &stage.Slab{}, &owner{}
		s.Open(3, o, stage.SlabOptions{Quiet: quiet})
		s.Duty(0).Done()
		require.Equal(t, !quiet, o.some.Load() == 1)
		s.Release()
		require.EqualValues(t, 1, o.some.Load())
		stage.DoneAll(duties(s)[1:])
		require.EqualValues(t, 1, o.all.Load())
	}
}

func TestSlab_TellsOfOutcomesAgainWhenRearmed(t *testing.T) {
	s, o, d := opened(4)
	s.Release()
	d[0].Done()
	require.EqualValues(t, 1, o.some.Load())
	d[1].Done()
	require.EqualValues(t, 1, o.some.Load(), "the owner knows already")
	s.Rearm(1)
	require.EqualValues(t, 2, o.some.Load(), "at once, since one was not collected")
	s.Rearm(2)
	require.EqualValues(t, 2, o.some.Load())
	d[2].Done()
	require.EqualValues(t, 3, o.some.Load())
	d[3].Done()
	require.EqualValues(t, 1, o.all.Load())
}

func TestSlab_AbandonsWhatIsNotSettled(t *testing.T) {
	s, o, d := opened(3)
	s.Release()
	d[0].Done()
	d[1].Retain(5)
	require.Equal(t, 2, s.Abandon(errTest))
	require.EqualValues(t, 1, o.all.Load())
	require.False(t, d[1].Done(), "whoever holds it comes too late")
	for i, want := range []error{nil, errTest, errTest} {
		err, settled := s.Outcome(i)
		require.True(t, settled)
		require.Equal(t, want, err)
	}
}

// Rule 3: a joint record settles each member with its own outcome; the lease is the earliest.
func TestJoin_SettlesItsMembersTogether(t *testing.T) {
	for _, n := range []int{0, 1, 3, 100} {
		s, o, d := opened(max(n, 1))
		s.Release()
		r := stage.Join("all", d[:n])
		require.Equal(t, "all", r.Value)
		r.Retain(1)
		r.Done()
		require.Zero(t, o.all.Load())
		r.Fail(errTest)
		if n == 0 {
			continue
		}
		require.EqualValues(t, 1, o.all.Load())
		err, _ := s.Outcome(n - 1)
		require.ErrorIs(t, err, errTest)
	}
	var joiner stage.Joiner
	for _, failed := range []bool{false, true} {
		s, o, d := opened(100)
		s.Release()
		var joint []stage.Record[int]
		for i := 0; i < len(d); i += 2 {
			joint = append(joint, joiner.Join(i, d[i:i+2]))
		}
		for i, r := range joint {
			require.Equal(t, 2*i, r.Value)
			require.Len(t, r.Members(), 2)
			if failed && i == 1 {
				require.True(t, r.Fail(errTest))
				continue
			}
			require.True(t, r.Done())
			require.False(t, r.Done(), "rule 1")
		}
		require.EqualValues(t, 1, o.all.Load())
		for i := range d {
			err, settled := s.Outcome(i)
			require.True(t, settled)
			require.Equal(t, failed && i/2 == 1, err != nil, "member %d", i)
		}
	}
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	var a, b stage.Slab
	a.Open(1, &owner{}, stage.SlabOptions{Expires: late})
	b.Open(1, &owner{}, stage.SlabOptions{Expires: early})
	r := stage.Join(0, []stage.Duty{a.Duty(0), b.Duty(0), {}})
	require.Equal(t, early, r.Expires())
	require.Empty(t, r.Info().Key, "a joint record has many keys")
	require.Equal(t, 0, r.Origin())
}

// Each record settles once, and the owner hears of all once, however settlements, forks, an
// abandon and the collection of outcomes meet.
func TestSlab_SettlesOnceUnderConcurrency(t *testing.T) {
	var s stage.Slab
	for round := range 300 {
		const n = 70
		told := make(chan struct{})
		o := &owner{ended: func(*stage.Slab) { close(told) }}
		s.Open(n, o, stage.SlabOptions{})
		d := duties(&s)
		var held atomic.Int32
		var work sync.WaitGroup
		for w := range 4 {
			work.Go(func() {
				for i := range n {
					switch (i + w) % 4 {
					case 0:
						if d[i].Retain(1) {
							held.Add(1)
							d[i].Done()
						}
					case 1:
						d[i].Settle([]error{errTest, nil, stage.ErrPutOff}[i%3])
					case 2:
						if w == 0 && i == n/2 && round%2 == 0 {
							s.Abandon(stage.ErrHandedBack)
						}
					}
				}
			})
		}
		s.Release()
		work.Wait()
		s.Abandon(stage.ErrHandedBack)
		<-told
		require.EqualValues(t, 1, o.all.Load())
		for i := range n {
			_, settled := s.Outcome(i)
			require.True(t, settled)
		}
	}
}
