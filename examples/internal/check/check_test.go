package check

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/examples/internal/book"
)

func good() Result {
	return Result{
		Counts: book.Counts{
			Read: 10, Rejected: 1, Acked: 9, Dropped: 2, Arrived: 6, Late: 3, Dead: 1, Duplicates: 4,
			Carriers: map[string]book.Carrier{"UA": {Flights: 4}, "AA": {Flights: 2}},
		},
		Written: 3, Sent: 3,
	}
}

func TestCheck_PassesWhatAddsUp(t *testing.T) {
	require.NoError(t, good().Check())
	unknown := good()
	unknown.Sent, unknown.Backlog = Unknown, Unknown
	require.NoError(t, unknown.Check())
}

func TestCheck_FindsEachCountThatIsOff(t *testing.T) {
	for name, spoil := range map[string]func(*Result){
		"read":     func(r *Result) { r.Read++ },
		"rejected": func(r *Result) { r.Rejected++ },
		"acked":    func(r *Result) { r.Acked-- },
		"dropped":  func(r *Result) { r.Dropped-- },
		"arrived":  func(r *Result) { r.Arrived++ },
		"late":     func(r *Result) { r.Late++ },
		"dead":     func(r *Result) { r.Dead-- },
		"written":  func(r *Result) { r.Written-- },
		"sent":     func(r *Result) { r.Sent++ },
		"backlog":  func(r *Result) { r.Backlog++ },
		"carriers": func(r *Result) { delete(r.Carriers, "AA") },
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			spoil(&r)
			require.ErrorContains(t, r.Check(), "should be the same")
		})
	}
}

func TestRows_CountsEachRowOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "late.jsonl")
	n, err := Rows(path)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, os.WriteFile(path, []byte(`{"row":1}`+"\n"+`{"row":7,"x":1}`+"\n"+`{"row":1}`+"\n"), 0o600))
	n, err = Rows(path)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

func TestRows_NamesALineThatIsTorn(t *testing.T) {
	for name, text := range map[string]string{
		"torn":   "{\"row\":1}\n{\"row\":",
		"glued":  "{\"row\":1}\n{\"row\":2}{\"row\":3}\n",
		"no row": "{\"row\":1}\n{}\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "late.jsonl")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			_, err := Rows(path)
			require.ErrorContains(t, err, path+":2")
		})
	}
}
