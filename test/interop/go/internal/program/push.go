package program

import (
	"errors"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

// Consume hands what the filter lets through to the listener, on many goroutines, until it has
// consumed n messages.
func Consume(topic string, filter *rmq.FilterExpression, n int, listen func(*rmq.MessageView) rmq.ConsumerResult) (err error) {
	consumed, enough := make(chan struct{}), make(chan struct{})
	consumer, err := rmq.NewPushConsumer(Config(), rmq.WithPushAwaitDuration(Await),
		rmq.WithPushSubscriptionExpressions(map[string]*rmq.FilterExpression{topic: filter}),
		rmq.WithPushMessageListener(&rmq.FuncMessageListener{Consume: func(m *rmq.MessageView) rmq.ConsumerResult {
			result := listen(m)
			if result == rmq.SUCCESS {
				select {
				case consumed <- struct{}{}:
				case <-enough:
				}
			}
			return result
		}}))
	if err != nil {
		return err
	}
	if err := consumer.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	for range n {
		<-consumed
	}
	close(enough)
	return nil
}
