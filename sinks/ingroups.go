package sinks

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"unicode"

	"github.com/rocketflow-io/rocketflow/client"
)

// maxMessageGroup is the bytes of a message group, as the protocol has it.
const maxMessageGroup = 63

// InGroups encodes values for a FIFO topic, with a key of the value as message group: so that values of
// one key are consumed in order, by whichever process. A key that is longer than a message group can
// be, or has characters that it cannot have, is replaced by a hash; a value without a key fails.
func InGroups[T any](key func(T) string, encode func(T) ([]byte, error)) func(T) (*client.Message, error) {
	return func(v T) (*client.Message, error) {
		k := key(v)
		if k == "" {
			return nil, errors.New("the key is empty: a message of a FIFO topic has a message group")
		}
		body, err := encode(v)
		if err != nil {
			return nil, err
		}
		return &client.Message{Body: body, MessageGroup: messageGroup(k)}, nil
	}
}

func messageGroup(key string) string {
	if len(key) <= maxMessageGroup && strings.TrimSpace(key) == key && !strings.ContainsFunc(key, unicode.IsControl) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}
