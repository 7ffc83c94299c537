// Command transaction sends three messages in transactions: one is committed, one rolled back, and one is
// left alone until the server asks for it.
package main

import (
	"context"
	"errors"
	"fmt"

	rmq "github.com/apache/rocketmq-clients/golang/v5"

	"github.com/rocketflow-io/rocketflow/test/interop/go/internal/program"
)

func main() { program.Main(run) }

func run(ctx context.Context, topic string) (err error) {
	checker := &rmq.TransactionChecker{Check: func(m *rmq.MessageView) rmq.TransactionResolution {
		fmt.Println("checked", string(m.GetBody()))
		return rmq.COMMIT
	}}
	producer, err := program.StartProducer(program.Config(), topic, rmq.WithTransactionChecker(checker))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.GracefulStop()) }()
	paid, err := begin(ctx, producer, topic, "paid")
	if err != nil {
		return err
	}
	if err := paid.Commit(); err != nil {
		return err
	}
	fmt.Println("committed paid")
	cancelled, err := begin(ctx, producer, topic, "cancelled")
	if err != nil {
		return err
	}
	if err := cancelled.RollBack(); err != nil {
		return err
	}
	fmt.Println("rolled-back cancelled")
	if _, err := begin(ctx, producer, topic, "forgotten"); err != nil {
		return err
	}
	consumer, err := program.StartSimpleConsumer(program.Config(), topic, rmq.SUB_ALL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.GracefulStop()) }()
	return program.ReceiveAll(ctx, consumer, 2, nil)
}

// begin sends a message in a new transaction.
func begin(ctx context.Context, producer rmq.Producer, topic, body string) (rmq.Transaction, error) {
	transaction := producer.BeginTransaction()
	m := &rmq.Message{Topic: topic, Body: []byte(body)}
	if _, err := producer.SendWithTransaction(ctx, m, transaction); err != nil {
		return nil, err
	}
	fmt.Println("sent", body)
	return transaction, nil
}
