package interop

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCheck_TellsWhatIsWrongWithTheLines(t *testing.T) {
	spec := Case{Rows: [][]string{{"sent a", "received a", "acked a"}, {"sent b", "recalled b"}}}
	for name, row := range map[string]struct {
		lines string
		want  []string
	}{
		"nothing":            {lines: "sent a,sent b,received a,recalled b,acked a"},
		"a line is missing":  {lines: "sent a,received a,sent b,recalled b", want: []string{`missing "acked a"`}},
		"a line comes twice": {lines: "sent a,received a,received a,acked a,sent b,recalled b", want: []string{`"received a" came again`}},
		"a line comes early": {lines: "received a,sent a,acked a,sent b,recalled b", want: []string{`"received a" came before "sent a"`}},
		"a line is not known": {
			lines: "sent a,received a,acked a,sent b,recalled b,received b", want: []string{`unexpected "received b"`},
		},
		"lines around a missing one": {
			lines: "acked a,sent a,sent b,recalled b", want: []string{`missing "received a"`, `"acked a" came before "sent a"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var lines []line
			for text := range strings.SplitSeq(row.lines, ",") {
				lines = append(lines, line{text: text})
			}
			require.Equal(t, row.want, spec.check(lines))
		})
	}
}

func TestCheck_WantsThePause(t *testing.T) {
	spec := Case{
		Rows:  [][]string{{"sent a", "received a"}},
		Pause: Pause{From: "sent a", To: "received a", Least: 2 * time.Second},
	}
	now := time.Now()
	soon := []line{{"sent a", now}, {"received a", now.Add(1900 * time.Millisecond)}}
	require.Equal(t, []string{`"received a" came 1.9s after "sent a": want at least 2s`}, spec.check(soon))
	require.Empty(t, spec.check([]line{{"sent a", now}, {"received a", now.Add(2 * time.Second)}}))
	require.Equal(t, []string{`missing "received a"`}, spec.check([]line{{"sent a", now}}))
}

func TestListener_HearsWhatIsMeantForIt(t *testing.T) {
	var l listener
	for _, chunk := range []string{"2026-11-24 INFO sent a\nse", "nt a\r\nsentimental\nsent\nreceived ü x=1\nacked", " a"} {
		n, err := l.Write([]byte(chunk))
		require.NoError(t, err)
		require.Equal(t, len(chunk), n)
	}
	var heard []string
	for _, line := range l.spoken {
		heard = append(heard, line.text)
	}
	require.Equal(t, []string{"sent a", "received ü x=1"}, heard)
}
