package sinks

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// Lines writes each value as a line. A value with a line break in it fails, for good: it would come
// back as two.
func Lines(path string, opts ...FileOption) *File[string] {
	return newFile("lines", path, opts, func(*fileConfig) format[string] {
		return format[string]{append: appendLine}
	})
}

func appendLine(b *bytes.Buffer, v string) error {
	if strings.ContainsAny(v, "\n\r") {
		return errors.New("the value has a line break: write it as JSON lines or CSV")
	}
	b.WriteString(v)
	b.WriteByte('\n')
	return nil
}

// JSONLines writes each value as JSON on a line, encoded by encoding/json without escaping HTML. A
// value that cannot be encoded fails, for good.
func JSONLines[T any](path string, opts ...FileOption) *File[T] {
	return newFile("jsonlines", path, opts, func(*fileConfig) format[T] {
		return format[T]{append: func(b *bytes.Buffer, v T) error { return appendJSON(b, v) }}
	})
}

func appendJSON(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	return e.Encode(v) // which adds the line's end
}
