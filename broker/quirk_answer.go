package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc/metadata"
)

// under marks a refusal as one of requests over which the server stumbles: with the quirk the answer
// is INTERNAL_SERVER_ERROR. See quirks.status.
func under(q Quirk, err error) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		return &refusal{code: r.code, text: r.text, quirk: q}
	}
	return err
}

// status is what the client is told: OK if err is nil.
func (q quirks) status(err error) *v2.Status {
	if r, ok := errors.AsType[*refusal](err); ok && q[r.quirk] {
		return &v2.Status{Code: v2.Code_INTERNAL_SERVER_ERROR, Message: r.text}
	}
	return statusOf(err)
}

// checkLanguage refuses a client whose language the server has no name for.
func (s *service) checkLanguage(ctx context.Context) error {
	if !s.store.quirks[QuirkUnknownLanguage] {
		return nil
	}
	language := ""
	if all := metadata.ValueFromIncomingContext(ctx, "x-mq-language"); len(all) > 0 {
		language = all[0]
	}
	switch language {
	case "JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO", "PHP", "OMS", "RUST", "NODE_JS":
		return nil
	}
	return refuse(v2.Code_INTERNAL_SERVER_ERROR,
		"No enum constant org.apache.rocketmq.remoting.protocol.LanguageCode."+language)
}

// mergeFor gives what merges the settings of the client of a stream.
func (s *service) mergeFor(ctx context.Context) merger {
	return func(sent *v2.Settings) (*v2.Settings, error) {
		merged, err := s.merge(sent)
		if err != nil {
			return nil, err
		}
		return merged, s.checkLanguage(ctx)
	}
}

// clusterQueues is the queues of the topic with the name of the cluster.
const clusterQueues = 16

// checkTopic refuses a name that no topic of a client may have, unless the proxy would not know.
func (s *service) checkTopic(name string) error {
	if name == clusterName && s.store.quirks[QuirkClusterTopic] {
		return nil
	}
	return checkTopic(name)
}

// parseHandle reads a handle, whose broker has to be known to a proxy that looks for it.
func (s *service) parseHandle(text string) (handle, error) {
	h, err := parseHandle(text)
	if err == nil && h.broker != s.store.name && s.store.quirks[QuirkHandleBroker] {
		return handle{}, refusef(v2.Code_INVALID_RECEIPT_HANDLE, "no broker %.100q is known", h.broker)
	}
	return h, err
}

// missing gives why a message to a topic that does not exist is refused.
func (s *service) missing(err error, m *v2.Message) error {
	r, ok := errors.AsType[*refusal](err)
	switch {
	case !ok || r.code != v2.Code_TOPIC_NOT_FOUND:
	case strings.HasPrefix(m.GetTopic().GetName(), "%"): // the server does not ask for its type
		return under(QuirkMissingTopic, err)
	case s.store.quirks[QuirkMissingTopicSend]:
		return refusef(v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
			"TopicMessageType validate failed, the expected type is UNSPECIFIED, but actual type is %v", typeOf(m))
	}
	return err
}

// makesGroup tells whether a request that refuses an unknown group with the code makes one instead.
func (s *service) makesGroup(unknown v2.Code) bool {
	switch unknown {
	case v2.Code_CONSUMER_GROUP_NOT_FOUND:
		return s.store.quirks[QuirkGroupMadeByReceive]
	case v2.Code_ILLEGAL_CONSUMER_GROUP:
		return s.store.quirks[QuirkGroupMadeBySettings]
	}
	return false
}

// loseTrace waits in vain for the answer of a client that was not asked.
func (b *Broker) loseTrace(ctx context.Context, client string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	select {
	case <-ctx.Done():
		return fmt.Errorf("broker: wait for the answer of client %q: %w", client, ctx.Err())
	case <-b.closed:
		return fmt.Errorf("%w: %q: the broker is closed", ErrUnreachable, client)
	}
}
