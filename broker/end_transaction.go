package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// EndTransaction commits or rolls back a transaction. It can be called once for the sending of its
// message and once for each check, for some time after that. A call that leaves it open does not count.
// A producer that has named a time for the recovery is refused after that, unless it was asked.
func (s *service) EndTransaction(
	ctx context.Context, req *v2.EndTransactionRequest,
) (*v2.EndTransactionResponse, error) {
	return &v2.EndTransactionResponse{Status: statusOf(s.endTransaction(ctx, req))}, nil
}

func (s *service) endTransaction(ctx context.Context, req *v2.EndTransactionRequest) error {
	if _, err := s.admit(ctx, req); err != nil {
		return err
	}
	if err := checkTopic(req.GetTopic().GetName()); err != nil {
		return err
	}
	if isBlank(req.GetTransactionId()) {
		return refuse(v2.Code_INVALID_TRANSACTION_ID, "transaction id cannot be empty")
	}
	id := halfID{req.GetTopic().GetName(), req.GetTransactionId()}
	byCheck := req.GetSource() == v2.TransactionSource_SOURCE_SERVER_CHECK
	return s.store.transactions.end(id, s.sessions, req.GetResolution(), byCheck)
}
