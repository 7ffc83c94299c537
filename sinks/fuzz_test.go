package sinks

import (
	"bytes"
	"encoding/csv"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCSV writes records, cuts the text anywhere, and looks for a number of whole records in what
// repair leaves of it.
func FuzzCSV(f *testing.F) {
	f.Add("a", "b\n\"c\"", "", "\r\n,", 9)
	f.Add("\"", "\"\"", "\n", "\n\n", 3)
	f.Fuzz(func(t *testing.T, a, b, c, d string, cut int) {
		var text bytes.Buffer
		p := newCSVPrinter(',')
		ends := []int{0}
		for _, record := range [][]string{{"x", "y"}, {a, b}, {c, d}} {
			require.NoError(t, p.print(&text, record))
			ends = append(ends, text.Len())
		}
		header := text.Bytes()[:ends[1]]
		torn := text.Bytes()[:uint(cut)%uint(text.Len()+1)]
		whole, err := wholeRecords(bytes.NewReader(torn), header, true, false)
		require.NoError(t, err)
		want := 0
		for _, end := range ends {
			if end <= len(torn) {
				want = end
			}
		}
		require.EqualValues(t, want, whole)
		_, err = csv.NewReader(bytes.NewReader(torn[:whole])).ReadAll()
		require.NoError(t, err)
	})
}

// FuzzMembers: a file that is cut anywhere is brought to its last whole member, and what is no gzip is
// refused, not cut.
func FuzzMembers(f *testing.F) {
	f.Add("a\n", "b\nc\n", 30)
	f.Fuzz(func(t *testing.T, a, b string, cut int) {
		l := &recordLog{cfg: &fileConfig{gzip: true}}
		var file []byte
		ends := []int{0}
		for _, text := range []string{a + "\n", b + "\n"} {
			member, err := l.pack([]byte(text))
			require.NoError(t, err)
			file = append(file, member...)
			ends = append(ends, len(file))
		}
		torn := file[:uint(cut)%uint(len(file)+1)]
		whole, err := wholeRecords(bytes.NewReader(torn), nil, false, true)
		require.NoError(t, err)
		want := 0
		for _, end := range ends {
			if end <= len(torn) {
				want = end
			}
		}
		require.EqualValues(t, want, whole)
	})
}
