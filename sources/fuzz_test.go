package sources

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLines compares the lines with those that cutting the whole text gives.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"", "a", "a\n", "a\r\n\nb\r", "\r\n", strings.Repeat("x", 20) + "\ny"} {
		f.Add(seed, 16)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 1 + limit&63
		s := lineScanner{buf: bufio.NewReaderSize(strings.NewReader(text), 16), max: limit}
		want := strings.SplitAfter(text, "\n")
		if want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		for i, w := range want {
			line, err := s.next()
			w = strings.TrimSuffix(strings.TrimSuffix(w, "\n"), "\r")
			require.Equal(t, i+1, s.line)
			if len(w) > limit {
				var fault *fault
				require.ErrorAs(t, err, &fault)
				require.Equal(t, w[:limit], string(fault.raw))
				continue
			}
			require.NoError(t, err)
			require.Equal(t, w, string(line))
		}
		_, err := s.next()
		require.ErrorIs(t, err, io.EOF)
		require.EqualValues(t, len(text), s.read)
	})
}

// FuzzCSV compares the records with those of encoding/csv, as far as that gets, and looks for every
// byte of the text in what comes of it.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "a\n\"1\n2\"\n\n3", "a,b\n1\n2,\"3", "a\n\"x\"y\nz\n", "\"a\"\r\n\r\n1\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
			return
		}
		in, err := newText("fuzz", bytes.NewReader(text), DefaultMaxRecord)
		if err != nil {
			return // UTF-16
		}
		cfg := newFileConfig(nil)
		d, err := newCSV[Row](in, &cfg)
		if err != nil {
			return // a header that cannot be read
		}
		plain := csv.NewReader(bytes.NewReader(text[in.bom:]))
		plain.FieldsPerRecord = -1
		header, _ := plain.Read()
		last, whole := 0, true
		for {
			began := d.offset()
			row, line, err := d.next()
			if errors.Is(err, io.EOF) {
				return
			}
			require.Greater(t, line, last, "records begin one below the other")
			last = line
			var bad *fault
			if errors.As(err, &bad) {
				require.Equal(t, text[began:d.offset()], bad.raw, "a fault shows its text")
			} else {
				require.NoError(t, err)
			}
			if want, err := plain.Read(); whole && err == nil && len(want) == len(header) {
				require.Equal(t, want, row.Fields())
			} else {
				whole = whole && err == nil
			}
		}
	})
}
