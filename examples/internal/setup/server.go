package setup

import (
	"context"
	"errors"
	"fmt"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/book"
	"github.com/rocketflow-io/rocketflow/examples/internal/check"
)

// Job is a run of the job: what it was told, the RocketMQ it runs on, and its book. It must be
// closed.
type Job struct {
	Options
	Client *client.Client
	Book   *book.Book

	broker *broker.Broker // nil if the RocketMQ is a real one
}

// Start starts an embedded broker with the topics and the group of the run, or makes a client of
// the real RocketMQ, where they must exist; and opens the book, with what earlier processes of the
// run have noted there. It fails, naming what is missing and the remedy, before anything is written.
func Start(ctx context.Context, o Options) (*Job, error) {
	j := &Job{Options: o}
	err := j.connect()
	if err == nil && j.broker == nil {
		err = j.Advise(j.probe(ctx))
	}
	if err == nil {
		j.Book, err = book.Open(ctx, j.Journal(), o.fileName())
	}
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	if j.broker != nil {
		j.Book.Reload() // the broker is new and empty, whatever an earlier one had
	}
	return j, nil
}

func (j *Job) connect() (err error) {
	endpoint := j.Endpoint
	if endpoint == "" {
		j.broker, err = broker.Start(broker.Options{
			Topics: []broker.Topic{{Name: j.FlightsTopic()}, {Name: j.LateTopic()}},
			Groups: []broker.Group{{Name: j.Group()}},
		})
		if err != nil {
			return err
		}
		endpoint = j.broker.Endpoint()
	}
	opts := []client.Option{client.WithPlaintext()}
	if j.accessKey != "" || j.secretKey != "" {
		opts = append(opts, client.WithCredentials(j.accessKey, j.secretKey))
	}
	j.Client, err = client.New(endpoint, opts...)
	return err
}

// String tells people what the run is called and where it is.
func (j *Job) String() string {
	server := "the RocketMQ at " + j.Endpoint
	if j.broker != nil {
		server = "an embedded broker"
	}
	return fmt.Sprintf("run %s on %s, files in %s", j.Run, server, j.Out)
}

// probe asks the RocketMQ for the topics and the group, so that the job does not begin what it
// cannot finish. A consumer that only asks for its settings is what names all three.
func (j *Job) probe(ctx context.Context) error {
	for _, topic := range []string{j.FlightsTopic(), j.LateTopic()} {
		c, err := j.Client.NewSimpleConsumer(j.Group(), map[string]client.Filter{topic: client.All()})
		if err != nil {
			return err
		}
		_, err = c.Settings(ctx)
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the client, the embedded broker and the book.
func (j *Job) Close() error {
	var errs []error
	if j.Client != nil {
		errs = append(errs, j.Client.Close())
	}
	if j.broker != nil {
		errs = append(errs, j.broker.Close())
	}
	if j.Book != nil {
		errs = append(errs, j.Book.Close())
	}
	return errors.Join(errs...)
}

// Result gives what the run has come to, counted where it can be: in the book, in the file of late
// flights, and in the broker if it is embedded.
func (j *Job) Result() (check.Result, error) {
	written, err := check.Rows(j.LateFile())
	if err != nil {
		return check.Result{}, err
	}
	backlog, err := j.backlog()
	return check.Result{Counts: j.Book.Counts(), Written: written, Sent: j.sent(), Backlog: backlog}, err
}

// backlog gives how many messages the group has still to settle. A real RocketMQ does not tell its
// clients: it is then check.Unknown.
func (j *Job) backlog() (int, error) {
	if j.broker == nil {
		return check.Unknown, nil
	}
	stats, err := j.broker.GroupStats(j.Group())
	if err != nil {
		return 0, err
	}
	return int(stats.Backlog), nil
}

// sent gives how many rows the topic of late flights has, counted once each; check.Unknown on a
// real RocketMQ.
func (j *Job) sent() int {
	if j.broker == nil {
		return check.Unknown
	}
	rows := make(map[string]struct{})
	for _, m := range j.broker.Messages(j.LateTopic()) {
		for _, row := range m.Keys {
			rows[row] = struct{}{}
		}
	}
	return len(rows)
}

// Advise adds to an error what is to be done about it, where the run knows more than the client.
func (j *Job) Advise(err error) error {
	var refused *client.StatusError
	switch {
	case errors.Is(err, client.ErrUnauthorized):
		return fmt.Errorf("%w: set %s and %s", err, AccessKeyVariable, SecretKeyVariable)
	case errors.Is(err, client.ErrTopicNotFound) && errors.As(err, &refused):
		return fmt.Errorf("%w: mqadmin updateTopic -n NAMESRV:9876 -c DefaultCluster -t %s -a +message.type=NORMAL", err, refused.Target)
	case errors.Is(err, client.ErrGroupNotFound):
		return fmt.Errorf("%w: mqadmin updateSubGroup -n NAMESRV:9876 -c DefaultCluster -g %s", err, j.Group())
	}
	return err
}
