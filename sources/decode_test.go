package sources

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// moody is a type whose methods panic over a bad value.
type moody string

func (m *moody) UnmarshalText(text []byte) error {
	if string(text) == "bad" {
		panic("bad mood")
	}
	*m = moody(text)
	return nil
}

func TestFile_MakesAFaultOfAPanicOfTheUsersMethod(t *testing.T) {
	type record struct {
		A moody `csv:"a" json:"a"`
	}
	for name, src := range map[string]*File[record]{
		"csv":        CSV[record](write(t, "data.csv", []byte("a\n1\nbad\n2\n"))),
		"json lines": JSONLines[record](write(t, "data.jsonl", []byte("\n{\"a\":\"1\"}\n{\"a\":\"bad\"}\n{\"a\":\"2\"}\n"))),
	} {
		t.Run(name, func(t *testing.T) {
			values, _, faults, end := readAll(t, src)
			require.Equal(t, io.EOF, end)
			require.Equal(t, []record{{"1"}, {"2"}}, values)
			require.Len(t, faults, 1)
			var panicked *stage.PanicError
			require.ErrorAs(t, faults[0].Err, &panicked)
			require.Equal(t, "bad mood", panicked.Value)
			require.Contains(t, string(panicked.Stack), "UnmarshalText")
			require.Contains(t, string(faults[0].Raw), "bad")
		})
	}
}

type Place struct {
	City string `csv:"city"`
}

type hidden struct {
	City string `csv:"city"`
}

func TestCSV_FillsFieldsOfEmbeddedStructs(t *testing.T) {
	path := write(t, "data.csv", []byte("name,city\nA,Rome\nB,Oslo\n"))
	type byPointer struct {
		*Place
		Name string `csv:"name"`
	}
	people, _, _, _ := readAll(t, CSV[byPointer](path))
	require.Equal(t, []byPointer{{&Place{"Rome"}, "A"}, {&Place{"Oslo"}, "B"}}, people)

	type byValue struct {
		hidden
		Name string `csv:"name"`
	}
	others, _, _, _ := readAll(t, CSV[byValue](path))
	require.Equal(t, []byValue{{hidden{"Rome"}, "A"}, {hidden{"Oslo"}, "B"}}, others)

	type byHiddenPointer struct {
		*hidden
		Name string `csv:"name"`
	}
	require.ErrorContains(t, opening(CSV[byHiddenPointer](path))(), "embed the struct itself")
}
