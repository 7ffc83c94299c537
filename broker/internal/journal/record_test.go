package journal

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecord_IsOneAtItsPlaceAlone(t *testing.T) {
	for name, other := range map[string]place{
		"another kind of file": {snapshotFile, 3, fileHeader},
		"another file":         {logFile, 4, fileHeader},
		"another offset":       {logFile, 3, fileHeader + 1},
	} {
		t.Run(name, func(t *testing.T) {
			data := appendRecord(header(logFile, 3), other, []byte("record"))
			s := newScanner(bytes.NewReader(data), int64(len(data)), logFile, 3)
			require.ErrorIs(t, s.each(func([]byte) error { return nil }), errTorn)
			require.EqualValues(t, fileHeader, s.at.offset)
		})
	}
}

// Whatever a file holds, reading it ends, and what it gives is what the file says, byte by byte: to
// write it again makes the same file, as far as it is good.
func FuzzScanner_GivesOnlyWhatWasWritten(f *testing.F) {
	f.Add([]byte(nil), byte(logFile), uint64(1))
	for _, k := range []kind{logFile, snapshotFile} {
		b := header(k, 1)
		for _, payload := range []string{"one", "", "three"} {
			b = appendRecord(b, place{k, 1, int64(len(b))}, []byte(payload))
			f.Add(bytes.Clone(b), byte(k), uint64(1))
		}
	}
	huge := append(header(logFile, 1), 0x0f, 0xff, 0xff, 0xff)
	f.Add(append(huge, make([]byte, 100)...), byte(logFile), uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, k byte, number uint64) {
		s := newScanner(bytes.NewReader(data), int64(len(data)), kind(k), number)
		again := header(kind(k), number)
		err := s.each(func(record []byte) error {
			require.NotEmpty(t, record)
			again = appendRecord(again, place{kind(k), number, int64(len(again))}, record)
			return nil
		})
		if s.at.offset == 0 {
			require.Error(t, err)
			return
		}
		require.Equal(t, data[:s.at.offset], again)
		if err == nil {
			require.Len(t, data, int(s.at.offset))
		}
	})
}
