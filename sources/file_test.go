package sources

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// zip packs each text into a gzip member of its own.
func zip(t *testing.T, texts ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	for _, text := range texts {
		w := gzip.NewWriter(&buf)
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	return buf.Bytes()
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("line " + strconv.Itoa(i+1) + "\n")
	}
	return b.String()
}

// readAll gives values, positions of the values and faults until the end, and what the end was.
func readAll[T any](t *testing.T, src stage.Source[T]) (values []T, positions []string, faults []stage.Fault, end error) {
	t.Helper()
	r := open(t, src)
	for {
		b, err := r.Read(t.Context())
		if err != nil {
			return values, positions, faults, err
		}
		require.NotEmpty(t, b.Values)
		faulty := make(map[int]bool)
		for _, f := range b.Faults {
			faults = append(faults, f)
			faulty[f.Index] = true
			positions = append(positions, b.Info(f.Index).Position)
		}
		for i, v := range b.Values {
			if !faulty[i] {
				values = append(values, v)
				positions = append(positions, b.Info(i).Position)
			}
		}
	}
}

func TestFile_TellsGzipByItsContent(t *testing.T) {
	text := "a\r\nb\n\nc"
	for name, data := range map[string][]byte{
		"plain":           []byte(text),
		"gzip":            zip(t, text),
		"several members": zip(t, "a\r\n", "b\n\nc"),
		"with mark":       []byte("\ufeff" + text),
		"gzip, with mark": zip(t, "\ufeff"+text),
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "data.txt", data)
			values, positions, faults, end := readAll(t, Lines(path))
			require.Equal(t, io.EOF, end)
			require.Equal(t, []string{"a", "b", "", "c"}, values)
			require.Equal(t, path+":4", positions[3])
			require.Empty(t, faults)
		})
	}
}

func TestFile_ReadsFilesInOrderOfPatternAndName(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"b.txt": "2\n", "a.txt": "1\n", "c.log": "3\n", "[x].txt": "0\n", "empty": ""} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600))
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	values, positions, _, end := readAll(t, Lines(at("[x].txt"), WithFiles(at("empty"), at("[a-b].txt"), at("c.log"))))
	require.Equal(t, io.EOF, end)
	require.Equal(t, []string{"0", "1", "2", "3"}, values)
	require.Equal(t, at("b.txt")+":1", positions[2])
}

func TestFile_OpenFailsForGoodWhere(t *testing.T) {
	for name, c := range map[string]struct {
		src  *File[string]
		kind error
		text string
	}{
		"there is no file":            {Lines("nowhere.txt"), os.ErrNotExist, `sources: open "nowhere.txt": no such file`},
		"a pattern matches none":      {Lines("nowhere-*.txt"), os.ErrNotExist, "no file matches the pattern"},
		"a pattern is malformed":      {Lines("nowhere-[.txt"), filepath.ErrBadPattern, "syntax error"},
		"the limit is no length":      {Lines("x", WithMaxRecord(0)), nil, "sources: WithMaxRecord"},
		"records and lines are given": {Lines("x", WithSkip(1), WithFromLine(1)), nil, "excludes WithFromLine"},
		"the text is UTF-16":          {Lines(write(t, "x", []byte("\xff\xfea\x00"))), nil, "convert it to UTF-8"},
		"gzip ends in its header":     {Lines(write(t, "x", []byte("\x1f\x8b\x08"))), io.ErrUnexpectedEOF, "cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.src.Open(t.Context())
			require.ErrorContains(t, err, c.text)
			require.True(t, stage.IsPermanent(err))
			if c.kind != nil {
				require.ErrorIs(t, err, c.kind)
			}
		})
	}
}

func TestFile_GivesWhatWasReadBeforeGzipWasCutShort(t *testing.T) {
	whole := zip(t, numbered(3000))
	path := write(t, "cut.gz", whole[:len(whole)/2])
	values, _, faults, end := readAll(t, Lines(path))
	var file *FileError
	require.ErrorAs(t, end, &file)
	require.Equal(t, path, file.Path)
	require.Equal(t, len(values)+1, file.Line)
	require.ErrorIs(t, end, io.ErrUnexpectedEOF)
	require.True(t, stage.IsPermanent(end))
	require.Empty(t, faults)
	require.NotEmpty(t, values)
	for i, v := range values {
		require.Equal(t, "line "+strconv.Itoa(i+1), v, "a torn line is no record")
	}
}

func TestFile_SaysThatGzipIsDamaged(t *testing.T) {
	whole := zip(t, numbered(10))
	whole[len(whole)-8] ^= 1
	_, _, _, end := readAll(t, Lines(write(t, "bad.gz", whole)))
	require.ErrorIs(t, end, gzip.ErrChecksum)
	require.ErrorContains(t, end, "damaged")
}

func TestFile_ResumesAtARecordOrALine(t *testing.T) {
	path := write(t, "data.txt", []byte(numbered(600)))
	other := write(t, "other.txt", []byte("x\n"))
	values, positions, _, _ := readAll(t, Lines(path, WithSkip(598), WithFiles(other)))
	require.Equal(t, []string{"line 599", "line 600", "x"}, values)
	require.Equal(t, path+":599", positions[0])
	values, _, _, _ = readAll(t, Lines(path, WithFromLine(600), WithFiles(other)))
	require.Equal(t, []string{"line 600", "x"}, values)
	values, _, _, end := readAll(t, Lines(path, WithSkip(601), WithFiles(other)))
	require.Empty(t, values)
	require.Equal(t, io.EOF, end)
}

func TestLines_MakesAFaultOfALineThatIsTooLong(t *testing.T) {
	long := strings.Repeat("x", textBuffer+10)
	for name, limit := range map[string]int{"shorter than the buffer": 10, "longer than the buffer": textBuffer + 5} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "data.txt", []byte("a\n"+long+"\nb\n"+strings.Repeat("y", limit)+"\r\n"))
			values, _, faults, end := readAll(t, Lines(path, WithMaxRecord(limit)))
			require.Equal(t, io.EOF, end)
			require.Equal(t, []string{"a", "b", strings.Repeat("y", limit)}, values)
			require.Len(t, faults, 1)
			require.Len(t, faults[0].Raw, limit)
			require.ErrorContains(t, faults[0].Err, "sources.WithMaxRecord")
		})
	}
}

func TestJSONLines_DecodesAndMakesFaults(t *testing.T) {
	type point struct{ X, Y int }
	path := write(t, "points.jsonl", []byte("{\"X\":1}\n\n {\"Y\":2} \n{\"X\":\n[1]\n{\"X\":3}"))
	values, positions, faults, end := readAll(t, JSONLines[point](path))
	require.Equal(t, io.EOF, end)
	require.Equal(t, []point{{X: 1}, {Y: 2}, {X: 3}}, values)
	require.Len(t, faults, 2)
	require.Equal(t, `{"X":`, string(faults[0].Raw))
	require.Equal(t, path+":4", positions[0])
	require.Equal(t, "[1]", string(faults[1].Raw))
}

func TestLinesFrom_GoesOnInTheNextRun(t *testing.T) {
	src := LinesFrom(strings.NewReader(numbered(1000)), WithName("stdin"))
	require.Equal(t, "lines stdin", src.SourceTraits().Name)
	r, err := src.Open(t.Context())
	require.NoError(t, err)
	got := read(t, r).Values
	_, err = src.Open(t.Context())
	require.ErrorContains(t, err, "open already")
	require.NoError(t, r.Close(t.Context()))
	values, positions, _, end := readAll(t, src)
	require.Equal(t, io.EOF, end)
	require.Len(t, append(got, values...), 1000)
	require.Equal(t, "stdin:1000", positions[len(positions)-1])
}

func TestLinesFrom_ReadEndsWithItsContextAndCloseWithTheReader(t *testing.T) {
	in, out := io.Pipe()
	r, err := LinesFrom(in).Open(t.Context())
	require.NoError(t, err)
	_, err = out.Write([]byte("a\n"))
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, read(t, r).Values, "a line does not wait for the next")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Read(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, r.Close(t.Context()))
}

// stuck is a reader that waits and cannot be closed.
type stuck struct{ free chan struct{} }

func (s stuck) Read([]byte) (int, error) {
	<-s.free
	return 0, io.EOF
}

func TestLinesFrom_CloseGivesUpWithItsContext(t *testing.T) {
	in := stuck{make(chan struct{})}
	r, err := LinesFrom(in).Open(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.Close(ctx), context.Canceled)
	close(in.free)
	require.NoError(t, r.Close(t.Context()))
}

func TestFile_ReportsAFailedRead(t *testing.T) {
	broken := errors.New("disk on fire")
	in := io.MultiReader(strings.NewReader("a\nb"), brokenReader{broken})
	values, _, _, end := readAll(t, LinesFrom(in))
	require.Equal(t, []string{"a"}, values)
	require.EqualError(t, end, `sources: read "reader" at line 2: disk on fire`)
	require.ErrorIs(t, end, broken)
}

type brokenReader struct{ err error }

func (r brokenReader) Read([]byte) (int, error) { return 0, r.err }
