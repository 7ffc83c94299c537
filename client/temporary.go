package client

import "errors"

// Temporary says whether the same call may succeed later, with nothing changed by its caller: it is false
// for a refusal that would be repeated, such as [ErrTopicNotFound] or an [*ArgumentError], and for a call
// on what has been closed or settled. A topic that the client has had a route of may be back: while its broker
// is down, servers do not find it. Where it cannot be known it is true. An error of several, such as
// an [*AckError], is temporary if all of them are. Nil is not an error, so Temporary(nil) is false.
//
// What may be repeated without harm the client has repeated already, for a short while.
func Temporary(err error) bool {
	if err == nil {
		return false
	}
	for _, kind := range lasting() {
		switch {
		case !errors.Is(err, kind):
		case errors.Is(kind, ErrTopicNotFound) && errors.Is(err, errTopicGone):
		default:
			return false
		}
	}
	var argument *ArgumentError
	var option *OptionError
	return errors.Is(err, ErrBusy) || !errors.As(err, &argument) && !errors.As(err, &option)
}

// lasting returns the kinds of errors that do not pass by themselves.
func lasting() []error {
	return []error{
		ErrClosed, ErrUnauthorized, ErrForbidden, ErrUnsupported,
		ErrTopicNotFound, ErrGroupNotFound, ErrMessageNotFound, ErrMessageType,
		ErrBodyTooLarge, ErrBodyEmpty, ErrPropertiesTooLarge,
		ErrIllegalTopic, ErrIllegalGroup, ErrIllegalTag, ErrIllegalKey, ErrIllegalMessageGroup, ErrIllegalProperty,
		ErrIllegalFilter, ErrIllegalInvisibleDuration, ErrIllegalDeliveryTime, ErrIllegalPriority,
		ErrNoChecker, ErrNothingSent, ErrTransactionFull, ErrTransactionEnded, ErrTransactionExpired,
		ErrNotRecalled,
		ErrReceiptExpired, ErrSettled, ErrCorrupted, ErrUndecodable,
	}
}
