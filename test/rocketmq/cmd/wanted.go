package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rocketflow-io/rocketflow/test/rocketmq"
	"github.com/rocketflow-io/rocketflow/test/rocketmq/target"
)

const (
	defaultQueues = 8
	retryMaxTimes = 16 // the server's own default
)

// wanted is what the command line asks to be created.
type wanted struct {
	topics []target.Topic
	groups []target.Group
}

// addTopic reads NAME[:TYPE[:QUEUES]].
func (w *wanted) addTopic(text string) error {
	fields := strings.Split(text, ":")
	topic := target.Topic{Name: fields[0], Type: "NORMAL", Queues: defaultQueues}
	if len(fields) > 3 || topic.Name == "" {
		return errors.New("want NAME[:TYPE[:QUEUES]]")
	}
	if len(fields) > 1 {
		topic.Type = strings.ToUpper(fields[1])
	}
	if types := []string{"NORMAL", "FIFO", "DELAY", "TRANSACTION", "PRIORITY", "LITE"}; !slices.Contains(types, topic.Type) {
		return fmt.Errorf("type %q: want one of %s", topic.Type, strings.Join(types, ", "))
	}
	if len(fields) > 2 {
		n, err := strconv.Atoi(fields[2])
		if err != nil || n < 1 {
			return fmt.Errorf("%q queues: want a number from 1", fields[2])
		}
		topic.Queues = n
	}
	w.topics = append(w.topics, topic)
	return nil
}

// addGroup reads NAME[:ordered].
func (w *wanted) addGroup(text string) error {
	name, kind, typed := strings.Cut(text, ":")
	if name == "" || (typed && kind != "ordered") {
		return errors.New("want NAME[:ordered]")
	}
	w.groups = append(w.groups, target.Group{Name: name, Ordered: typed, RetryMaxTimes: retryMaxTimes})
	return nil
}

// create creates it all and returns when the topics can be used.
func (w *wanted) create(ctx context.Context, server *rocketmq.Server) (err error) {
	admin, err := target.Connect(target.Real{
		Mode: string(server.Mode()), Endpoint: server.Endpoint(), Broker: server.Broker(), Names: server.Namesrv(),
		Super: server.Credentials(),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	for _, topic := range w.topics {
		if err := admin.CreateTopic(ctx, topic); err != nil {
			return err
		}
	}
	for _, group := range w.groups {
		if err := admin.CreateGroup(ctx, group); err != nil {
			return err
		}
	}
	return nil
}
