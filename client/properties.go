package client

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The limits of the protocol for the properties of a client.
const (
	maxClientProperties     = 32
	maxClientPropertyKey    = 64  // bytes
	maxClientPropertyValue  = 256 // characters
	maxClientPropertiesSize = 4 << 10
)

// clientProperties is the number of their field in the settings, which the generated code lacks.
const clientProperties protowire.Number = 9

// WithProperties tells servers about this client what helps those who operate them, such as its version
// or its team: up to 32 properties, 4 KiB in all. A key is up to 64 letters, digits, '_', '.' and '-',
// begins with a letter, but not with "rocketmq."; a value is up to 256 characters. Anything else fails
// at [New]. The default is none. Servers up to 5.5 ignore them. They are no place for secrets.
func WithProperties(properties map[string]string) Option {
	properties = maps.Clone(properties)
	return func(c *config) { c.properties = properties }
}

// checkProperties returns what is wrong with them, if anything is.
func checkProperties(properties map[string]string) string {
	if n := len(properties); n > maxClientProperties {
		return fmt.Sprintf("has %d properties, the limit is %d", n, maxClientProperties)
	}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		switch n := utf8.RuneCountInString(properties[key]); {
		case len(key) > maxClientPropertyKey:
			return fmt.Sprintf("the key %.20q… has %d characters, the limit is %d", key, len(key), maxClientPropertyKey)
		case !isPropertyKey(key):
			return fmt.Sprintf("the key %q is not letters, digits, '_', '.' and '-' that begin with a letter", key)
		case strings.HasPrefix(key, "rocketmq."):
			return fmt.Sprintf("the key %q begins as those of the protocol do", key)
		case n > maxClientPropertyValue:
			return fmt.Sprintf("the value of %q has %d characters, the limit is %d", key, n, maxClientPropertyValue)
		case !utf8.ValidString(properties[key]):
			return fmt.Sprintf("the value of %q is not UTF-8", key)
		}
	}
	if n := len(encodeProperties(properties)); n > maxClientPropertiesSize {
		return fmt.Sprintf("takes %d bytes in all, the limit is %d", n, maxClientPropertiesSize)
	}
	return ""
}

func isPropertyKey(key string) bool {
	letter := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
	for i := range len(key) {
		c := key[i]
		if !letter(c) && (i == 0 || (c < '0' || c > '9') && c != '_' && c != '.' && c != '-') {
			return false
		}
	}
	return key != ""
}

// encodeProperties makes the field of the settings.
func encodeProperties(properties map[string]string) []byte {
	var field []byte
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		var entry []byte
		entry = protowire.AppendTag(entry, 1, protowire.BytesType)
		entry = protowire.AppendString(entry, key)
		entry = protowire.AppendTag(entry, 2, protowire.BytesType)
		entry = protowire.AppendString(entry, properties[key])
		field = protowire.AppendTag(field, clientProperties, protowire.BytesType)
		field = protowire.AppendBytes(field, entry)
	}
	return field
}
