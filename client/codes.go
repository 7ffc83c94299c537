package client

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A reason is why a request failed, and what to do about it.
type reason struct {
	kind   error
	advice string // empty if the server's own words must do
}

// refusal returns what a code of the server means. A flat switch, and long, because the protocol has that
// many codes.
func refusal(code v2.Code) reason {
	switch code {
	case v2.Code_UNAUTHORIZED, v2.Code_PAYMENT_REQUIRED:
		return reason{ErrUnauthorized, "check the access key, the secret and what they are permitted (WithCredentials)"}
	case v2.Code_FORBIDDEN:
		return reason{ErrForbidden, "check that the topic may be read or written"}
	case v2.Code_TOPIC_NOT_FOUND, v2.Code_NOT_FOUND:
		return reason{ErrTopicNotFound, "create the topic; the server does not do so for this protocol"}
	case v2.Code_CONSUMER_GROUP_NOT_FOUND:
		return reason{ErrGroupNotFound, "create the consumer group; the server does not do so for this protocol"}
	case v2.Code_MESSAGE_NOT_FOUND, v2.Code_OFFSET_NOT_FOUND:
		return reason{ErrMessageNotFound, ""}
	case v2.Code_INVALID_RECEIPT_HANDLE:
		return reason{ErrReceiptExpired, "settle sooner, receive with a longer invisible duration, or extend it"}
	case v2.Code_MESSAGE_BODY_TOO_LARGE, v2.Code_PAYLOAD_TOO_LARGE:
		return reason{ErrBodyTooLarge, "send less, or raise the limit of the server"}
	case v2.Code_MESSAGE_BODY_EMPTY:
		return reason{ErrBodyEmpty, "put at least one byte into it"}
	case v2.Code_MESSAGE_PROPERTIES_TOO_LARGE, v2.Code_REQUEST_HEADER_FIELDS_TOO_LARGE:
		return reason{ErrPropertiesTooLarge, "put it into the body"}
	case v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE:
		return reason{ErrMessageType, ""}
	case v2.Code_ILLEGAL_TOPIC, v2.Code_ILLEGAL_LITE_TOPIC:
		return reason{ErrIllegalTopic, ""}
	case v2.Code_ILLEGAL_CONSUMER_GROUP:
		return reason{ErrIllegalGroup, ""}
	case v2.Code_ILLEGAL_MESSAGE_TAG:
		return reason{ErrIllegalTag, ""}
	case v2.Code_ILLEGAL_MESSAGE_KEY:
		return reason{ErrIllegalKey, ""}
	case v2.Code_ILLEGAL_MESSAGE_GROUP:
		return reason{ErrIllegalMessageGroup, ""}
	case v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY:
		return reason{ErrIllegalProperty, ""}
	case v2.Code_ILLEGAL_FILTER_EXPRESSION:
		return reason{ErrIllegalFilter, ""}
	case v2.Code_ILLEGAL_INVISIBLE_TIME:
		return reason{ErrIllegalInvisibleDuration, ""}
	case v2.Code_ILLEGAL_POLLING_TIME:
		return reason{ErrIllegalPollingTime, "raise WithRequestTimeout; the way to the server and back took too long"}
	case v2.Code_ILLEGAL_DELIVERY_TIME:
		return reason{ErrIllegalDeliveryTime, ""}
	case v2.Code_TOO_MANY_REQUESTS:
		return reason{ErrThrottled, "slow down, or try again later"}
	case v2.Code_LITE_TOPIC_QUOTA_EXCEEDED, v2.Code_LITE_SUBSCRIPTION_QUOTA_EXCEEDED:
		return reason{ErrQuota, "give up lite topics that are not needed, or raise the quota of the server"}
	case v2.Code_INTERNAL_ERROR, v2.Code_INTERNAL_SERVER_ERROR, v2.Code_HA_NOT_AVAILABLE:
		return reason{ErrInternal, ""}
	case v2.Code_PROXY_TIMEOUT, v2.Code_MASTER_PERSISTENCE_TIMEOUT, v2.Code_SLAVE_PERSISTENCE_TIMEOUT,
		v2.Code_REQUEST_TIMEOUT:
		return reason{ErrTimedOut, ""}
	case v2.Code_NOT_IMPLEMENTED, v2.Code_UNSUPPORTED, v2.Code_VERSION_UNSUPPORTED,
		v2.Code_VERIFY_FIFO_MESSAGE_UNSUPPORTED:
		return reason{ErrUnsupported, ""}
	case v2.Code_CODE_UNSPECIFIED:
		return reason{ErrBadAnswer, "it has no status; is this a RocketMQ proxy?"}
	}
	return reason{ErrBadRequest, ""}
}

// namesMissingGroup recognizes by its words what servers have no code for where they refuse settings
// and heartbeats (5.5), or polls (5.1 to 5.4). Where a server words it otherwise, the kind is that of
// its code, and its words are in the error all the same.
func namesMissingGroup(text string) bool {
	return strings.Contains(text, "group not found") ||
		(strings.Contains(text, "subscription group [") && strings.Contains(text, "] not exist"))
}

// statusError returns nil if st is a success. MULTIPLE_RESULTS is one: the entries have the results.
func (x exchange) statusError(st *v2.Status) error {
	code := st.GetCode()
	if code == v2.Code_OK || code == v2.Code_MULTIPLE_RESULTS {
		return nil
	}
	why := refusal(code)
	if namesMissingGroup(st.GetMessage()) {
		why = refusal(v2.Code_CONSUMER_GROUP_NOT_FOUND)
	}
	return &StatusError{Op: x.op, Target: x.target, Endpoint: x.endpoint, RequestID: x.requestID,
		Code: int32(code), Message: st.GetMessage(), kind: why.kind, advice: why.advice}
}

// transportError turns what grpc returned for a request under ctx, the caller's context without the
// request's own timeout, into the error to return.
func (x exchange) transportError(ctx context.Context, err error) error {
	if ended(ctx) {
		return x.interrupted(ctx)
	}
	if errors.Is(err, ErrClosed) {
		return closedError("client")
	}
	st, ok := status.FromError(err)
	if !ok {
		return x.withoutAnswer(ErrUnavailable, err)
	}
	switch st.Code() {
	case codes.DeadlineExceeded:
		return x.withoutAnswer(ErrNoAnswer, err)
	case codes.ResourceExhausted:
		return x.refused(st, ErrThrottled, v2.Code_TOO_MANY_REQUESTS)
	case codes.Unauthenticated, codes.PermissionDenied:
		return x.refused(st, ErrUnauthorized, v2.Code_UNAUTHORIZED)
	case codes.Unimplemented:
		return x.refused(st, ErrUnsupported, v2.Code_NOT_IMPLEMENTED)
	case codes.InvalidArgument:
		if namesMissingGroup(st.Message()) {
			return x.refused(st, ErrGroupNotFound, v2.Code_CONSUMER_GROUP_NOT_FOUND)
		}
		return x.refused(st, ErrBadRequest, v2.Code_BAD_REQUEST)
	case codes.Internal, codes.Unknown:
		return x.refused(st, ErrInternal, v2.Code_INTERNAL_ERROR)
	default:
		return x.withoutAnswer(ErrUnavailable, err)
	}
}

// ended says whether ctx has ended, or is about to: the server, which knows the deadline, may notice it
// first.
func ended(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || (ok && !time.Now().Before(deadline))
}

// interrupted is the error of a request that ended because ctx did.
func (x exchange) interrupted(ctx context.Context) error {
	cause := cmp.Or(context.Cause(ctx), context.DeadlineExceeded)
	if errors.Is(cause, ErrClosed) {
		return cause
	}
	return x.withoutAnswer(nil, cause)
}

func (x exchange) withoutAnswer(kind, cause error) error {
	return &TransportError{Op: x.op, Target: x.target, Endpoint: x.endpoint, RequestID: x.requestID,
		kind: kind, cause: cause}
}

// refused is a refusal at the level of grpc, given the protocol's code that means the same.
func (x exchange) refused(st *status.Status, kind error, code v2.Code) error {
	return &StatusError{Op: x.op, Target: x.target, Endpoint: x.endpoint, RequestID: x.requestID,
		Code: int32(code), Message: st.Message(), kind: kind, advice: refusal(code).advice}
}

// retryable says whether a request that failed with err, and may be repeated, may succeed then.
func retryable(err error) bool {
	for _, kind := range []error{ErrUnavailable, ErrNoAnswer, ErrThrottled, ErrInternal, ErrTimedOut} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// lostTouch says whether err speaks against the endpoint as a whole. An internal error does not: the
// server answers so to much that is the fault of the request.
func lostTouch(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNoAnswer)
}
