package sources

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// JSONLines gives the JSON values of a file with one on each line, decoded into T by encoding/json.
// Blank lines are passed over. A line that is not JSON, or does not fit T, is a fault.
func JSONLines[T any](path string, opts ...FileOption) *File[T] {
	return newFile("jsonlines", path, opts, newJSONLines[T])
}

// JSONLinesFrom is [JSONLines] of what r gives.
func JSONLinesFrom[T any](r io.Reader, opts ...FileOption) *File[T] {
	return newFileFrom("jsonlines", r, opts, newJSONLines[T])
}

type jsonLines[T any] struct{ scanner lineScanner }

func newJSONLines[T any](t *text, cfg *fileConfig) (decoder[T], error) {
	return &jsonLines[T]{newScanner(t, cfg)}, nil
}

func (d *jsonLines[T]) next() (v T, line int, err error) {
	var data []byte
	for len(data) == 0 {
		if data, err = d.scanner.next(); err != nil {
			return v, d.scanner.line, err
		}
		data = bytes.TrimSpace(data)
	}
	if err := unmarshal(data, &v); err != nil {
		var zero T
		return zero, d.scanner.line, &fault{raw: bytes.Clone(data), err: fmt.Errorf("not the JSON of a %T: %w", zero, err)}
	}
	return v, d.scanner.line, nil
}

func unmarshal(data []byte, v any) (err error) {
	defer recoverUser(&err) // of the user's UnmarshalJSON
	return json.Unmarshal(data, v)
}

func (d *jsonLines[T]) offset() int64 { return d.scanner.read }
