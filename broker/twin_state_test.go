package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
)

// state gives all of a broker that can be seen from outside and is the same on both sides, line by line.
func (t *twins) state(s *side) []string {
	var all []string
	for _, g := range s.broker.Groups() {
		stats, err := s.broker.GroupStats(g.Name)
		t.NoError(err)
		for topic, p := range stats.Topics {
			all = append(all, fmt.Sprintf("group %s, topic %s: %+v", g.Name, topic, p))
		}
	}
	for _, u := range s.broker.Unsettled() {
		all = append(all, u.String())
	}
	for _, lite := range litesOf(s.rig) {
		all = append(all, fmt.Sprintf("lite topic %s: %d, the last at %v", lite.Name, lite.Stored, lite.LastStored))
		for group, p := range lite.Groups {
			all = append(all, fmt.Sprintf("lite topic %s, group %s: %+v", lite.Name, group, p))
		}
	}
	for _, topic := range s.broker.Topics() {
		if !isInner(topic) { // which is there before it is needed, perhaps
			all = append(all, fmt.Sprintf("topic %+v", topic))
		}
		for _, m := range s.broker.Messages(topic.Name) {
			all = append(all, t.told(topic, m))
		}
	}
	slices.Sort(all)
	return all
}

// told describes a stored message. Which of the parent's queues a message of a lite topic is in, and in
// which order messages come back at one time, is nobody's business; and what comes back while one of
// the two is down it stores later.
func (t *twins) told(topic broker.Topic, m broker.Stored) string {
	at, stored := fmt.Sprintf("%d:%d", m.Queue, m.Offset), m.StoredAt
	if topic.Type == broker.Lite || isInner(topic) {
		at = "somewhere"
	}
	if t.breaks && (topic.Type == broker.Delay || isInner(topic)) {
		stored = time.Time{}
	}
	return fmt.Sprintf("topic %s: %s, tag %s, group %q, lite topic %q, attempts %d, at %s, %v",
		topic.Name, m.ID, m.Tag, m.MessageGroup, m.LiteTopic, m.Attempts, at, stored)
}

// isInner tells of the topics of redeliveries and dead letters.
func isInner(topic broker.Topic) bool { return strings.HasPrefix(topic.Name, "%") }

// compare looks at the two.
func (t *twins) compare() {
	lasts, mortal := t.state(t.lasts), t.state(t.mortal)
	t.Equal(without(lasts, mortal), without(mortal, lasts))
}

// without gives the lines that others lack.
func without(lines, others []string) []string {
	count := make(map[string]int)
	for _, l := range others {
		count[l]++
	}
	var missing []string
	for _, l := range lines {
		if count[l]--; count[l] < 0 {
			missing = append(missing, l)
		}
	}
	return missing
}

// most gives the largest of a count of what groups have to settle.
func (t *twins) most(of func(broker.Progress) int64) int64 {
	var most int64
	for _, g := range t.lasts.broker.Groups() {
		most = max(most, of(statsOf(t.lasts.rig, g.Name)))
	}
	return most
}
