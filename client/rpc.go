package client

import (
	"context"
	"errors"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
)

// An exchange is one request and who it went to: what every error about it must tell.
type exchange struct {
	op, target string // "send", "orders"
	endpoint   string
	requestID  string
}

// call names a request before it has been made.
type call struct{ op, target string }

// answer is what all answers have in common.
type answer interface{ GetStatus() *v2.Status }

// unary is a method of the protocol with one request and one answer, such as
// v2.MessagingServiceClient.SendMessage.
type unary[Q any, A answer] = func(v2.MessagingServiceClient, context.Context, *Q, ...grpc.CallOption) (A, error)

// invoke makes one request, signed, within the request timeout. When the server refuses, the answer
// is returned with the error, since its entries may tell more. Credentials that can be renewed are,
// once, if the server does not accept them: it has then done nothing.
func invoke[Q any, A answer](
	ctx context.Context, i *identity, c *conn, what call, method unary[Q, A], q *Q,
) (A, exchange, error) {
	a, x, err := attempt(ctx, i, c, what, method, q)
	var refused *StatusError
	if !errors.As(err, &refused) || refused.Code != int32(v2.Code_UNAUTHORIZED) {
		return a, x, err
	}
	i.forget()
	if !i.signer.renewable {
		return a, x, err
	}
	return attempt(ctx, i, c, what, method, q)
}

func attempt[Q any, A answer](
	ctx context.Context, i *identity, c *conn, what call, method unary[Q, A], q *Q,
) (A, exchange, error) {
	var none A
	x := exchange{op: what.op, target: what.target, endpoint: c.name}
	limited, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	signed, requestID, err := i.sign(limited)
	if err != nil {
		return none, x, err
	}
	x.requestID = requestID
	rpc, err := c.rpc(limited)
	if err != nil {
		return none, x, x.transportError(ctx, err)
	}
	a, err := method(rpc, signed, q)
	if err != nil {
		return none, x, x.transportError(ctx, err)
	}
	return a, x, x.statusError(a.GetStatus())
}
