package sources

import (
	"io"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

type flight struct {
	Carrier string    `csv:"carrier"`
	Number  uint16    `csv:"flight"`
	Delay   *int      `csv:"dep_delay"`
	Miles   float64   `csv:"distance,omitempty"`
	Day     time.Time `csv:"date" layout:"2006-01-02"`
	Big     *big.Int  `csv:"big"`
	Late    bool      `csv:"late"`
	Note    string
}

const flightHeader = "date,carrier,flight,dep_delay,distance,big,late,extra\n"

func TestCSV_FillsAStructByTheHeader(t *testing.T) {
	text := flightHeader +
		"2013-01-01,UA,1545,2,1400.5,123456789012345678901,true,x\n" +
		"\n" +
		"2013-01-02,\"A,\n\"\"A\"\"\",1141,,,,0,x\n" +
		"2013-01-03,B6,725,-1,7,,1,x"
	path := write(t, "flights.csv", []byte(text))
	values, positions, faults, end := readAll(t, CSV[flight](path))
	require.Equal(t, io.EOF, end)
	require.Empty(t, faults)
	day := time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)
	first, ok := new(big.Int).SetString("123456789012345678901", 10)
	require.True(t, ok)
	require.Equal(t, []flight{
		{Carrier: "UA", Number: 1545, Delay: new(2), Miles: 1400.5, Day: day, Big: first, Late: true},
		{Carrier: "A,\n\"A\"", Number: 1141, Day: day.AddDate(0, 0, 1)},
		{Carrier: "B6", Number: 725, Delay: new(-1), Miles: 7, Day: day.AddDate(0, 0, 2), Late: true},
	}, values)
	require.Equal(t, []string{path + ":2", path + ":4", path + ":6"}, positions)
}

func TestCSV_MakesAFaultOfWhatCannotBeDecodedAndGoesOn(t *testing.T) {
	good := "2013-01-01,UA,1,2,3,4,true,x\n"
	for name, c := range map[string]struct{ record, reason string }{
		"too few fields":    {"2013-01-01,UA\n", "record has 2 fields, the header has 8"},
		"too many fields":   {"2013-01-01,UA,1,2,3,4,true,x,y\n", "record has 9 fields"},
		"no number":         {"2013-01-01,UA,1,two,3,4,true,x\n", `column "dep_delay": "two" is no int: invalid syntax`},
		"out of range":      {"2013-01-01,UA,70000,2,3,4,true,x\n", `column "flight": "70000" is no uint16: value out of range`},
		"negative":          {"2013-01-01,UA,-1,2,3,4,true,x\n", `"-1" is no uint16`},
		"empty":             {"2013-01-01,UA,,2,3,4,true,x\n", `column "flight": "" is no uint16`},
		"no float":          {"2013-01-01,UA,1,2,far,4,true,x\n", `"far" is no float64`},
		"no bool":           {"2013-01-01,UA,1,2,3,4,maybe,x\n", `"maybe" is no bool`},
		"no date":           {"01.01.2013,UA,1,2,3,4,true,x\n", `"01.01.2013" is no time.Time`},
		"no text":           {"2013-01-01,UA,1,2,3,four,true,x\n", `"four" is no big.Int`},
		"stray quote":       {"2013-01-01,U\"A,1,2,3,4,true,x\n", "column 13"},
		"text behind quote": {"2013-01-01,\"UA\"x,1,2,3,4,true,x\n", "column 15"},
		"over two lines":    {"2013-01-01,\"U\nA\"x,1,2,3,4,true,x\n", "column 2 of line 4"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "flights.csv", zip(t, "\ufeff"+flightHeader+good+c.record+good))
			values, positions, faults, end := readAll(t, CSV[flight](path))
			require.Equal(t, io.EOF, end)
			require.Len(t, values, 2)
			require.Len(t, faults, 1)
			require.ErrorContains(t, faults[0].Err, c.reason)
			require.Equal(t, c.record, string(faults[0].Raw))
			require.Equal(t, path+":3", positions[0])
		})
	}
}

func TestCSV_OpenFailsForGoodWhereTheHeaderDoesNotFit(t *testing.T) {
	path := write(t, "data.csv", []byte("a,b\n1,2\n"))
	for name, c := range map[string]struct {
		src  interface{ SourceTraits() stage.SourceTraits }
		open func() error
		text string
	}{
		"a column is missing": {open: opening(CSV[struct {
			C int `csv:"c"`
		}](path)), text: `there is no column "c": the header has a, b`},
		"a field is not exported": {open: opening(CSV[struct {
			a int `csv:"a"`
		}](path)), text: "is not exported"},
		"a type cannot be filled": {open: opening(CSV[struct {
			A []int `csv:"a"`
		}](path)), text: "cannot become a []int"},
		"nothing has a tag":    {open: opening(CSV[struct{ A int }](path)), text: "no field with a csv tag"},
		"it is no struct":      {open: opening(CSV[int](path)), text: "use sources.Row"},
		"the comma is a quote": {open: opening(CSV[Row](path, WithComma('"'))), text: "sources: WithComma"},
		"the header is torn": {open: opening(CSV[Row](write(t, "x", []byte("a,\"b")))),
			text: "header"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.open()
			require.ErrorContains(t, err, c.text)
			require.True(t, stage.IsPermanent(err))
		})
	}
}

func opening[T any](src *File[T]) func() error {
	return func() error {
		_, err := src.Open(nil) //nolint:staticcheck // Open of a file does not use its context
		return err
	}
}

func TestCSV_GivesRowsByName(t *testing.T) {
	path := write(t, "data.csv", []byte("1;2;3\n4;5;6\n"))
	values, _, _, end := readAll(t, CSV[Row](path, WithComma(';'), WithHeader("a", "b", "a")))
	require.Equal(t, io.EOF, end)
	require.Len(t, values, 2)
	require.Equal(t, "1", values[0].Get("a"))
	require.Equal(t, "5", values[1].Get("b"))
	_, ok := values[0].Lookup("c")
	require.False(t, ok)
	require.Equal(t, []string{"a", "b", "a"}, values[0].Columns())
	require.Equal(t, []string{"4", "5", "6"}, values[1].Fields())
	require.Empty(t, Row{}.Get("a"))
	require.Nil(t, Row{}.Columns())
}

func TestCSV_PassesOverFilesWithoutAHeader(t *testing.T) {
	values, _, _, end := readAll(t, CSV[Row](write(t, "empty.csv", nil), WithFiles(write(t, "full.csv", []byte("a\n1\n")))))
	require.Equal(t, io.EOF, end)
	require.Len(t, values, 1)
}

func TestCSV_DropsTheTornRecordOfGzipCutShort(t *testing.T) {
	for name, record := range map[string]string{"plain": "12345,67890\n", "quoted": "\"12345\",\"67890\"\n"} {
		t.Run(name, func(t *testing.T) {
			whole := zip(t, "a,b\n"+strings.Repeat(record, 20000))
			for cut := 1; cut < 10; cut++ {
				path := write(t, "cut.csv.gz", whole[:len(whole)-cut*len(whole)/11])
				values, _, faults, end := readAll(t, CSV[Row](path))
				require.ErrorIs(t, end, io.ErrUnexpectedEOF)
				require.Empty(t, faults)
				for _, v := range values {
					require.Equal(t, "67890", v.Get("b"))
				}
			}
		})
	}
}

func TestCSV_MakesNoFaultOfATornRecord(t *testing.T) {
	for name, torn := range map[string]string{"plain": "3", "quoted": "\"3", "with a stray quote": "3\"", "whole": "3,4"} {
		t.Run(name, func(t *testing.T) {
			in := io.MultiReader(strings.NewReader("a,b\n1,2\n"+torn), brokenReader{errBroken})
			values, _, faults, end := readAll(t, CSVFrom[Row](in))
			require.ErrorIs(t, end, errBroken)
			require.Len(t, values, 1)
			require.Empty(t, faults)
		})
	}
}

func TestCSV_EndsAtAQuoteThatIsNotClosed(t *testing.T) {
	path := write(t, "data.csv", []byte("a,b\n1,2\n3,\"4\n"+strings.Repeat("5,6\n", 100000)))
	values, _, faults, end := readAll(t, CSV[Row](path, WithMaxRecord(1000)))
	require.ErrorContains(t, end, "at line 3: record too long: more than 1000 bytes: a quote may not be closed")
	require.True(t, stage.IsPermanent(end))
	require.Len(t, values, 1)
	require.Empty(t, faults)
}

func TestCSV_TakesRecordsUpToTheLimit(t *testing.T) {
	long := strings.Repeat("x", 300<<10)
	path := write(t, "data.csv", []byte("a\n"+long+"\n"+long+"\n"))
	values, _, _, end := readAll(t, CSV[Row](path, WithMaxRecord(len(long)+1)))
	require.Equal(t, io.EOF, end)
	require.Len(t, values, 2)
	require.Equal(t, long, values[1].Get("a"))
}

func BenchmarkCSV(b *testing.B) {
	row := "2013-01-01,UA,1545,2,1400.5,,true,x\n"
	path := b.TempDir() + "/flights.csv"
	require.NoError(b, os.WriteFile(path, []byte(flightHeader+strings.Repeat(row, b.N)), 0o600))
	src := CSV[flight](path)
	b.SetBytes(int64(len(row)))
	b.ReportAllocs()
	b.ResetTimer()
	r, err := src.Open(b.Context())
	require.NoError(b, err)
	for n := 0; n < b.N; {
		batch, err := r.Read(b.Context())
		require.NoError(b, err)
		n += len(batch.Values)
	}
	require.NoError(b, r.Close(b.Context()))
}
