package broker_test

import (
	"fmt"
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// What takes a server days passes as fast as it is computed: run with -v, the test logs how fast.
func TestBroker_LetsDaysPassInVirtualTime(t *testing.T) {
	began := time.Now() // outside of the bubbles
	for name, test := range map[string]struct {
		days func(r *rig)
		pass time.Duration
	}{
		"3 hours of renewal":                      {renewsForThreeHours, 3 * time.Hour},
		"17 deliveries with the default backoff":  {delivers17Times, 3 * time.Hour},
		"messages delayed for up to 24 hours":     {delaysForADay, 24 * time.Hour},
		"15 checks of a transaction, 30 s apart":  {checks15Times, 7 * time.Minute},
		"a message that an ordered group retries": {retriesInOrder, 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.register()
				start := time.Now()
				test.days(r)
				passed := time.Since(start)
				r.GreaterOrEqual(passed, test.pass)
				t.Log("virtual time:", passed)
			})
		})
	}
	t.Log("by the clock:", time.Since(began))
}

func renewsForThreeHours(r *rig) {
	r.send("N", "held")
	_, got := r.pop("G", "N", autoRenew)
	start := time.Now()
	for time.Since(start) < 3*time.Hour {
		r.Empty(r.later(time.Minute, "G", "N"))
	}
	r.Equal([]v2.Code{v2.Code_OK}, r.ack("G", "N", handles(got...)...))
}

// backoffs is what a client is told to wait after each failure.
func (r *rig) backoffs() []time.Duration {
	answer, err := r.tell(r.ctx, consumer("G"))
	r.NoError(err)
	var all []time.Duration
	for _, d := range answer.GetSettings().GetBackoffPolicy().GetCustomizedBackoff().GetNext() {
		all = append(all, d.AsDuration())
	}
	return all
}

func delivers17Times(r *rig) {
	backoffs := r.backoffs()
	r.send("N", "failing")
	r.retry("G", "N", backoffs, 17)
	r.Empty(r.later(time.Hour, "G", "N"))
	r.Len(r.dead("G"), 1)
}

func retriesInOrder(r *rig) {
	backoffs := r.backoffs()
	r.send("F", "failing", withGroup("g"))
	r.send("F", "behind", withGroup("g"))
	r.retry("O", "F", backoffs, 17)
	got, _ := r.pop("O", "F")
	r.Equal([]string{"behind/1"}, got)
	r.Len(r.dead("O"), 1)
}

// retry receives a message so many times, and hands it back each time as a client does.
func (r *rig) retry(group, topic string, backoffs []time.Duration, attempts int) {
	for attempt := range attempts {
		got, messages := r.pop(group, topic, batch(1), polling(20*time.Second))
		r.Equal([]string{fmt.Sprintf("failing/%d", attempt+1)}, got)
		wait := backoffs[min(attempt, len(backoffs)-1)]
		code, _ := r.change(group, topic, handles(messages...)[0], wait, false)
		r.Equal(v2.Code_OK, code)
		r.pass(wait, group)
	}
}

// pass lets time pass in which r's client heartbeats.
func (r *rig) pass(d time.Duration, group string) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(time.Until(end), time.Minute))
		r.Equal(v2.Code_OK, r.heartbeat(group))
	}
}

func delaysForADay(r *rig) {
	for hours := range 25 {
		r.send("D", fmt.Sprint(hours), deliverIn(time.Duration(hours)*time.Hour))
	}
	for hours := range 25 {
		got, messages := r.pop("G", "D")
		r.Equal([]string{fmt.Sprintf("%d/1", hours)}, got)
		r.ack("G", "D", handles(messages...)...)
		if hours < 24 {
			r.pass(time.Hour, "G")
		}
	}
}

func checks15Times(r *rig) {
	asked := r.producer("producer", nil, "T")
	r.send("T", "half", inTransaction)
	r.alive(8*time.Minute, "producer")
	r.Len(asked(), 15)
	r.Len(r.broker.Messages("TRANS_CHECK_MAX_TIME_TOPIC"), 1)
}
