package main

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/rocketflow-io/rocketflow/broker"
)

//go:embed status.html
var statusHTML string

// A status is what the page shows: of a moment, though each part is looked at by itself.
type status struct {
	Endpoint    string         `json:"endpoint"`
	At          time.Time      `json:"at"`
	Connections int            `json:"connections"`
	Topics      []topicStatus  `json:"topics"`
	Groups      []groupStatus  `json:"groups"`
	Clients     []clientStatus `json:"clients"`
}

type topicStatus struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Queues int    `json:"queues"`
	Stored int64  `json:"stored"` // messages that are kept
}

// A groupStatus is one group on one topic.
type groupStatus struct {
	Group        string `json:"group"`
	Ordered      bool   `json:"ordered"`
	Topic        string `json:"topic"` // "" if the group has read none yet
	Backlog      int64  `json:"backlog"`
	InFlight     int64  `json:"in_flight"`
	Acked        int64  `json:"acked"`
	DeadLettered int64  `json:"dead_lettered"`
}

type clientStatus struct {
	ID        string   `json:"id"`
	Type      string   `json:"type"`
	Group     string   `json:"group,omitempty"`
	Topics    []string `json:"topics"`
	Connected bool     `json:"connected"`
}

// statusPage shows a broker: at / as a page that refreshes by itself, at /status.json for programs. At
// /healthz it says that the broker runs.
func statusPage(b *broker.Broker) http.Handler {
	page := template.Must(template.New("status").Parse(statusHTML))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, statusOf(b)) // fails if the browser has gone: there is nobody to tell
	})
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(statusOf(b)) // likewise
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // likewise
	})
	return mux
}

func statusOf(b *broker.Broker) *status {
	s := &status{
		Endpoint: b.Endpoint(), At: time.Now(), Connections: b.Connections(),
		Topics: []topicStatus{}, Groups: []groupStatus{}, Clients: []clientStatus{},
	}
	for _, t := range b.TopicStats() {
		s.Topics = append(s.Topics, topicStatus{t.Name, t.Type.String(), t.Queues, t.Stored})
	}
	for _, g := range b.Groups() {
		s.Groups = append(s.Groups, statusOfGroup(b, g)...)
	}
	for _, c := range b.Clients() {
		s.Clients = append(s.Clients, clientStatus{c.ID, c.Type, c.Group, c.Topics, c.Connected})
	}
	return s
}

// statusOfGroup is one row a topic, and one if there is no topic.
func statusOfGroup(b *broker.Broker, g broker.Group) []groupStatus {
	stats, err := b.GroupStats(g.Name)
	if err != nil || len(stats.Topics) == 0 {
		return []groupStatus{{Group: g.Name, Ordered: g.Ordered}}
	}
	var rows []groupStatus
	for _, topic := range slices.Sorted(maps.Keys(stats.Topics)) {
		p := stats.Topics[topic]
		rows = append(rows, groupStatus{g.Name, g.Ordered, topic, p.Backlog, p.InFlight, p.Acked, p.DeadLettered})
	}
	return rows
}
