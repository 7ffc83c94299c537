package broker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

// Twins are two brokers to which the same is done at the same time, at random, of which only the seed
// is known. One is in memory and lives to the end. The other ends now and then, and begins again in its
// directory: whoever looks at the two sees no difference.
type twins struct {
	*require.Assertions
	home   *home
	random *rand.Rand
	lasts  *side // number 0
	mortal *side // number 1
	end    func() error

	breaks bool // time passes while the mortal one is down
	sent   int
	held   []*delivered
	wants  map[string][]string // lite topics, by client
	spoke  time.Time           // when that was told last
}

// A side is one of the twins, with its clients.
type side struct {
	*rig
	number int
	lite   map[string]*liteClient // by id
}

// A delivered message is one that both have given, perhaps settled or expired since.
type delivered struct {
	group, topic string
	messages     [2]*v2.Message // by side
}

// A deed is something that is done to each of the twins.
type deed struct {
	do   func(s *side) (outcome, error)
	then func(of [2]outcome) // what follows if both have answered; nil for nothing
	// atomic is for a deed that a broker that dies of it has done, or has not, and of which that can be
	// seen at once.
	atomic bool
}

// An outcome is what came of a deed. It says the same on both sides; the messages may differ in their
// handles.
type outcome struct {
	says     []string
	messages []*v2.Message
}

func newTwins(t *testing.T, seed uint64) *twins {
	t.Helper()
	opts := withLite()
	opts.Limits.MinPolling = time.Millisecond
	opts.Retain = 100
	opts.Topics = append(opts.Topics,
		broker.Topic{Name: "F", Queues: 1, Type: broker.FIFO}, broker.Topic{Name: "P", Type: broker.Priority},
		broker.Topic{Name: "D", Queues: 1, Type: broker.Delay})
	opts.Topics[0].LiteExpiry, opts.Topics[1].Queues = 5*time.Minute, 1
	opts.Groups = append(opts.Groups, broker.Group{Name: "steady"}, broker.Group{Name: "twice", RetryMaxTimes: 1},
		broker.Group{Name: "O", Ordered: true}, broker.Group{Name: "ordered-twice", Ordered: true, RetryMaxTimes: 1})
	h := &home{t, opts, crashfs.New()}
	tw := &twins{
		Assertions: require.New(t), home: h, random: rand.New(rand.NewPCG(seed, 2)), breaks: seed%2 == 1,
		wants: map[string][]string{"one": {"a", "b"}, "two": {"c"}, "three": {}},
	}
	last := newRig(t, opts)
	last.register()
	tw.lasts = newSide(0, last)
	tw.begin()
	for _, topic := range ordinaryTopics() {
		for _, group := range readers(topic) {
			tw.both(func(s *side) { s.receive(s.request(group, topic, polling(time.Millisecond))) })
		}
	}
	return tw
}

func newSide(number int, r *rig) *side {
	s := &side{rig: r, number: number, lite: make(map[string]*liteClient)}
	for _, m := range liteMembers() {
		s.lite[m.id] = r.lite(m.id, m.group)
	}
	return s
}

// begin starts the mortal one, whose clients say again what they subscribe to, and so do the other's.
func (t *twins) begin() {
	var r *rig
	r, t.end = t.home.start()
	synctest.Wait() // for what is due
	t.mortal = newSide(1, r)
	t.speak()
}

// both does something to the two at the same time.
func (t *twins) both(do func(s *side)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(t.mortal)
	}()
	do(t.lasts)
	<-done
	synctest.Wait()
}

// step lets time pass and does one deed.
func (t *twins) step() {
	time.Sleep(t.seconds(0, 15) + 10*time.Millisecond)
	synctest.Wait() // for what is due just now
	if time.Since(t.spoke) > 30*time.Second {
		t.speak()
	}
	switch t.random.IntN(12) {
	case 0:
		t.restart()
	case 1:
		t.NoError(t.mortal.broker.Compact(t.home.t.Context()))
	case 2, 3:
		if d := t.deed(); d.atomic {
			t.dieOf(d)
		} else {
			t.dieAfter(d)
		}
	default:
		t.do(t.deed())
	}
}

// do does something to the two at the same time.
func (t *twins) do(d deed) {
	t.done(d, t.outcomes(d, func() {}))
}

func (t *twins) outcomes(d deed, answered func()) (of [2]outcome) {
	t.both(func(s *side) {
		var err error
		of[s.number], err = d.do(s)
		t.NoError(err)
		if s == t.mortal {
			answered()
		}
	})
	return of
}

func (t *twins) done(d deed, of [2]outcome) {
	t.Equal(of[0].says, of[1].says)
	if d.then != nil {
		d.then(of)
	}
	t.compare()
}

// dieAfter lets the machine of the mortal one crash as soon as a deed is answered.
func (t *twins) dieAfter(d deed) {
	of := t.outcomes(d, t.home.disk.Crash)
	t.crash()
	t.begin()
	t.done(d, of)
}

// dieOf lets it crash during a deed, which may have been done then, or soon after.
func (t *twins) dieOf(d deed) {
	t.home.disk.CrashAfter(t.random.IntN(4))
	mortal, err := d.do(t.mortal)
	if err == nil {
		lasts, err := d.do(t.lasts)
		synctest.Wait()
		t.NoError(err)
		t.crash()
		t.begin()
		t.done(d, [2]outcome{lasts, mortal})
		return
	}
	t.crash()
	t.begin()
	if !slices.Equal(t.state(t.lasts), t.state(t.mortal)) {
		_, err := d.do(t.lasts)
		synctest.Wait()
		t.NoError(err)
	}
	t.compare()
}

// crash is the end of the machine of the mortal one.
func (t *twins) crash() {
	after := t.home.disk.Restart(t.random)
	t.ErrorIs(t.end(), crashfs.ErrCrashed)
	t.home.disk = after
}

// restart ends the mortal one in one of the ways, and begins it again.
func (t *twins) restart() {
	pause := time.Duration(0)
	if t.breaks {
		pause = t.seconds(0, 30)
	}
	switch t.random.IntN(3) {
	case 0:
		t.NoError(t.end())
	case 1:
		after := t.home.disk.Kill()
		t.ErrorIs(t.end(), crashfs.ErrCrashed)
		t.home.disk = after
	default:
		t.crash()
	}
	time.Sleep(pause)
	t.begin()
	t.compare()
}

func TestDir_MakesNoDifference(t *testing.T) {
	for seed := range uint64(twinSeeds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tw := newTwins(t, seed)
				for range 100 {
					tw.step()
				}
				tw.finish()
			})
		})
	}
}
