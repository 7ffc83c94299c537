package broker

import (
	"context"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
)

// ChangeInvisibleDuration sets when a message that is handed out is visible again, from now, and
// gives the handle that is valid from then on.
func (s *service) ChangeInvisibleDuration(
	ctx context.Context, req *v2.ChangeInvisibleDurationRequest,
) (*v2.ChangeInvisibleDurationResponse, error) {
	text, err := s.changeInvisible(ctx, req)
	return &v2.ChangeInvisibleDurationResponse{Status: s.store.quirks.status(err), ReceiptHandle: text}, nil
}

func (s *service) changeInvisible(ctx context.Context, req *v2.ChangeInvisibleDurationRequest) (string, error) {
	id, err := s.admit(ctx, req)
	if err != nil {
		return "", err
	}
	if err := checkTopicAndGroup(req.GetTopic(), req.GetGroup()); err != nil {
		return "", err
	}
	if err := checkInvisible(req.GetInvisibleDuration(), 0); err != nil {
		return "", err
	}
	if _, ok := s.sessions.settings(id); !ok {
		return "", under(QuirkMissingSettings, errNoSettings())
	}
	h, err := s.parseHandle(req.GetReceiptHandle())
	h.lite = req.GetLiteTopic()
	if err != nil {
		return "", err
	}
	sub, ok := s.store.findDelivery(req.GetGroup().GetName(), req.GetTopic().GetName(), h.lite)
	if !ok {
		return "", errNotInFlight()
	}
	h, err = sub.changeInvisible(h, req.GetInvisibleDuration().AsDuration().Milliseconds(), req.GetSuspend())
	if err != nil {
		return "", err
	}
	return s.store.quirks.changedText(h), nil
}

func (s *subscription) changeInvisible(h handle, invisible int64, suspend bool) (handle, error) {
	s.mu.Lock()
	defer s.unlock()
	now := nowMillis()
	f, ok := s.inFlight(h)
	if h.expired(now) && (!ok || f.renewing() == nil) {
		return handle{}, errExpired()
	}
	h.broker = s.store.name
	switch {
	case ok:
		h.popTime, h.invisible = f.change(now, invisible, suspend)
		return h, nil
	case s.unnamed(h):
		return h, nil
	case !s.known(h):
		return handle{}, errAbnormal("changeInvisibleDuration failed")
	case s.store.quirks[QuirkAckedChange]:
		return s.resurrect(h, now, invisible, suspend), nil
	}
	return handle{}, errNotInFlight()
}

// errNotInFlight is said of a delivery that is settled, or was handed out again. (The server would
// bring an acknowledged message back.)
func errNotInFlight() error {
	return refuse(v2.Code_INVALID_RECEIPT_HANDLE, "no delivery is in flight under this receipt handle")
}
