package sinks

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func contents(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	if strings.HasSuffix(path, ".gz") {
		r, err := gzip.NewReader(bytes.NewReader(data))
		require.NoError(t, err)
		data, err = io.ReadAll(r)
		require.NoError(t, err)
	}
	return string(data)
}

// run writes the batches in a run of its own.
func run[T any](t *testing.T, s stage.Sink[T], batches ...[]T) {
	t.Helper()
	w, err := s.Open(t.Context())
	require.NoError(t, err)
	for _, b := range batches {
		require.NoError(t, w.Write(t.Context(), batch(b...)))
	}
	require.NoError(t, w.Close(t.Context()))
	require.NoError(t, w.Close(t.Context()), "closing again")
}

func TestFile_GoesOnWithWhatIsThere(t *testing.T) {
	for _, name := range []string{"out.txt", "out.txt.gz"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			run(t, Lines(path), []string{"a", "b"}, []string{"c"})
			run(t, Lines(path), []string{"d"})
			require.Equal(t, "a\nb\nc\nd\n", contents(t, path))
			run(t, Lines(path, WithReplace()), []string{"e"})
			require.Equal(t, "e\n", contents(t, path))
		})
	}
}

// pair is a record of two fields.
type pair struct {
	A string `csv:"a"`
	B string `csv:"b"`
}

// pairs opens a file of pairs, as a process that knows only its name would.
func pairs(t *testing.T, path string) stage.Writer[pair] {
	t.Helper()
	if strings.Contains(path, ".csv") {
		return openSink(t, CSV[pair](path))
	}
	return openSink(t, JSONLines[pair](path))
}

func TestFile_CutsOffWhatAKilledProcessLeft(t *testing.T) {
	for _, name := range []string{"out.csv", "out.csv.gz", "out.jsonl", "out.jsonl.gz"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			torn := batch(pair{"2", "line\nbreak, \"quoted\"\n"})
			require.NoError(t, pairs(t, path).Write(t.Context(), batch(pair{"1", "x"})))
			before := contents(t, path)
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, pairs(t, path).Write(t.Context(), torn))
			whole, err := os.ReadFile(path)
			require.NoError(t, err)
			after := contents(t, path)
			for cut := int(info.Size()); cut <= len(whole); cut++ {
				require.NoError(t, os.WriteFile(path, whole[:cut], 0o600))
				w := pairs(t, path)
				want := before
				if cut == len(whole) {
					want = after
				}
				require.Equal(t, want, contents(t, path), "cut at %d of %d", cut, len(whole))
				require.NoError(t, w.Write(t.Context(), torn))
				require.Equal(t, want+strings.TrimPrefix(after, before), contents(t, path))
			}
		})
	}
}

func TestFile_LogsWhatItCutsOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.txt")
	require.NoError(t, os.WriteFile(path, []byte("a\nto"), 0o600))
	var log bytes.Buffer
	run(t, Lines(path, WithLogger(slog.New(slog.NewTextHandler(&log, nil)))), []string{"b"})
	require.Equal(t, "a\nb\n", contents(t, path))
	require.Contains(t, log.String(), "bytes=2")
}

func TestFile_LeavesNothingOfAFailedWriteBehind(t *testing.T) {
	for _, name := range []string{"out.txt", "out.txt.gz"} {
		for what, fail := range map[string]func(d *faultyDisk){
			"the disk is full": func(d *faultyDisk) { d.room = 3 },
			"sync fails":       func(d *faultyDisk) { d.noSync = true },
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				d := &faultyDisk{room: -1}
				path := filepath.Join(t.TempDir(), name)
				w := openSink(t, Lines(path, onDisk(d)))
				require.NoError(t, w.Write(t.Context(), batch("a")))
				fail(d)
				err := w.Write(t.Context(), batch("bcd", "efg"))
				var failed *stage.BatchError
				require.ErrorAs(t, err, &failed)
				require.Len(t, failed.Failed, 2)
				require.False(t, stage.IsPermanent(err))
				var file *FileError
				require.ErrorAs(t, err, &file)
				require.Equal(t, "a\n", contents(t, path))
				*d = faultyDisk{room: -1}
				require.NoError(t, w.Write(t.Context(), batch("h")))
				require.Equal(t, "a\nh\n", contents(t, path))
			})
		}
	}
}

func TestFile_WritesNothingBehindATornRecord(t *testing.T) {
	d := &faultyDisk{room: -1}
	path := filepath.Join(t.TempDir(), "out.txt")
	s := Lines(path, onDisk(d))
	w, err := s.Open(t.Context())
	require.NoError(t, err)
	require.NoError(t, w.Write(t.Context(), batch("a")))
	d.room, d.noCut = 1, true
	require.ErrorIs(t, w.Write(t.Context(), batch("b")), syscall.ENOSPC)
	d.room = -1
	require.ErrorContains(t, w.Write(t.Context(), batch("c")), "cannot be cut off")
	require.Equal(t, "a\nb", contents(t, path))
	d.noCut = false
	require.NoError(t, w.Close(t.Context()))
	run(t, s, []string{"b"})
	require.Equal(t, "a\nb\n", contents(t, path))
}

func TestFile_SyncsAsOftenAsItsOptionSays(t *testing.T) {
	for name, c := range map[string]struct {
		every time.Duration
		syncs int
	}{"each write": {0, 5}, "each minute": {time.Minute, 2}, "at the end": {-1, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &faultyDisk{room: -1}
				w, err := Lines(filepath.Join(t.TempDir(), "out"), onDisk(d), WithSync(c.every)).Open(t.Context())
				require.NoError(t, err)
				for range 5 {
					require.NoError(t, w.Write(t.Context(), batch("a")))
					time.Sleep(25 * time.Second) // virtual: the fourth write is the first after a minute
				}
				require.NoError(t, w.Close(t.Context()))
				require.Equal(t, c.syncs, d.syncs)
				require.Equal(t, 1, d.dirSyncs)
			})
		})
	}
}

func TestFile_OpenFailsWhere(t *testing.T) {
	dir := t.TempDir()
	file := func(name, data string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
		return path
	}
	type record struct {
		A int `csv:"a"`
	}
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	_, err := z.Write([]byte("no end"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	inUse := Lines(filepath.Join(dir, "use"))
	openSink(t, inUse)
	for name, c := range map[string]struct {
		open func() error
		text string
	}{
		"there is no folder":    {opening(Lines(filepath.Join(dir, "no", "x"))), "no such file"},
		"the header is another": {opening(CSV[record](file("h.csv", "b\n1\n"))), "expected"},
		"it is not gzip":        {opening(Lines(file("x.gz", "plain\n"))), "file is gzip: false"},
		"it is gzip":            {opening(Lines(file("x", member.String()))), "file is gzip: true"},
		"a member is not ours":  {opening(Lines(file("y.gz", member.String()))), "not written by this sink"},
		"gzip is damaged":       {opening(Lines(file("z.gz", member.String()+"zz zz zz zz zz zz"))), "within a record"},
		"it is open already":    {opening(inUse), "another run"},
		"T is no record":        {opening(CSV[int](file("i.csv", ""))), "no CSV record"},
		"no field has a tag":    {opening(CSV[struct{ A int }](file("i.csv", ""))), "no field with a csv tag"},
		"a field has no text": {opening(CSV[struct {
			A []int `csv:"a"`
		}](file("i.csv", ""))), "cannot become a field"},
		"the logger is missing":  {opening(Lines(file("l", ""), WithLogger(nil))), "the logger is nil"},
		"the comma cannot be it": {opening(CSV[record](file("c.csv", ""), WithComma('\n'))), "invalid field"},
	} {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, c.open(), c.text) })
	}
}

func opening[T any](s *File[T]) func() error {
	return func() error {
		_, err := s.Open(context.Background())
		return err
	}
}

func TestFile_FailsAValueThatHasNoText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	err := openSink(t, Lines(path)).Write(t.Context(), batch("a", "b\nc", "d"))
	var failed *stage.BatchError
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Failed, 1)
	require.True(t, stage.IsPermanent(failed.Failed[1]))
	require.Equal(t, "a\nd\n", contents(t, path))

	err = openSink(t, JSONLines[any](path)).Write(t.Context(), batch[any](1, func() {}, "<&>"))
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Failed, 1)
	require.Equal(t, "a\nd\n1\n\"<&>\"\n", contents(t, path))
}

func TestFile_WritesNothingOfAValueWhoseTextBreaksOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	s := Lines(path)
	s.format.append = func(b *bytes.Buffer, v string) error {
		b.WriteString(v)
		if v == "half" {
			return errBroken
		}
		return b.WriteByte('\n')
	}
	require.ErrorIs(t, openSink(t, s).Write(t.Context(), batch("a", "half", "b")), errBroken)
	require.Equal(t, "a\nb\n", contents(t, path))
}

func TestCSV_WritesStructsByTheirTags(t *testing.T) {
	type embedded struct {
		Late bool `csv:"late"`
	}
	type record struct {
		Carrier string    `csv:"carrier"`
		Delay   *int      `csv:"delay"`
		Miles   float32   `csv:"miles,omitempty"`
		Day     time.Time `csv:"day" layout:"2006-01-02"`
		At      time.Time `csv:"at"`
		N       uint8     `csv:"n"`
		*embedded
		Note string
	}
	day := time.Date(2013, 1, 2, 3, 4, 5, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "out.csv")
	run(t, CSV[record](path, WithComma(';')), []record{
		{Carrier: "U;\"A\"\n", Delay: new(-3), Miles: 0.1, Day: day, At: day, N: 7, embedded: &embedded{true}},
		{},
	})
	require.Equal(t, "carrier;delay;miles;day;at;n;late\n"+
		"\"U;\"\"A\"\"\n\";-3;0.1;2013-01-02;2013-01-02T03:04:05Z;7;true\n"+
		";;;0001-01-01;0001-01-01T00:00:00Z;0;\n", contents(t, path))
}

func TestCSV_WritesFields(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv")
	run(t, CSV[[]string](path, WithHeader("x")), [][]string{{"1"}, {""}})
	run(t, CSV[[]string](path, WithHeader("x")), [][]string{{"2"}})
	require.Equal(t, "x\n1\n\"\"\n2\n", contents(t, path))
}
