package broker

import (
	"bytes"
	"fmt"
)

// declareTopic makes a topic, or gives one that was found in the diary another description.
func (s *store) declareTopic(cfg Topic) error {
	t, ok := s.lookUp(cfg.Name)
	if !ok || !t.found {
		return s.createTopic(cfg)
	}
	t.found = false
	if err := cfg.normalize(); err != nil {
		return err
	}
	was, is := topicEvent(t.id, t.Topic), topicEvent(t.id, cfg)
	if bytes.Equal(was, is) {
		return nil
	}
	if err := t.describe(cfg); err != nil {
		return err
	}
	s.diary.write(is)
	return nil
}

// describe lets a topic be another from now on, as long as it has the same queues. It is called
// before anybody can reach the topic.
func (t *topic) describe(cfg Topic) error {
	switch {
	case cfg.Queues != len(t.logs):
		return &ConfigError{"topic", cfg.Name, fmt.Sprintf("what is kept of it has %d queues, not %d", len(t.logs), cfg.Queues)}
	case (cfg.Type == Lite) != (t.lites != nil):
		return &ConfigError{"topic", cfg.Name, fmt.Sprintf("what is kept of it has the type %v, not %v", t.Type, cfg.Type)}
	}
	t.Topic, t.accepts = cfg, cfg.Type.accepts()
	if t.lites != nil {
		t.lites.expireAfter(cfg.LiteExpiry.Milliseconds())
	}
	if cfg.Type != Any {
		t.ranked.Store(cfg.Type == Priority)
	}
	return nil
}

// declareGroup makes a group, or gives one that was found in the diary another description.
func (s *store) declareGroup(cfg Group) error {
	g, ok := s.lookUpGroup(cfg.Name)
	if !ok || !g.found {
		return s.createGroup(cfg)
	}
	g.found = false
	if err := cfg.normalize(); err != nil {
		return err
	}
	if len(g.subs) > 0 && (g.Ordered != cfg.Ordered || g.Lite.Topic != cfg.Lite.Topic) {
		return &ConfigError{"group", cfg.Name, "what is kept of it is ordered otherwise, or of other lite topics"}
	}
	if is := groupEvent(cfg); !bytes.Equal(groupEvent(g.Group), is) {
		g.Group = cfg
		s.diary.write(is)
	}
	return nil
}
