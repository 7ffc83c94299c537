package book

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/client"
	"github.com/rocketflow-io/rocketflow/examples/internal/flights"
	"github.com/rocketflow-io/rocketflow/flow"
	"github.com/rocketflow-io/rocketflow/flow/stage"
	"github.com/rocketflow-io/rocketflow/sinks"
	"github.com/rocketflow-io/rocketflow/sources"
)

func TestLoad_NumbersTheRowsFromWhereItStopped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	b := open(t, path)
	fails := func(_ context.Context, f flights.Flight) error {
		if f.Row == 4 {
			return errors.New("the server is gone")
		}
		return nil
	}
	err := flow.From(b.Load(sources.Slice(rows()))).To(sinks.Func(fails)).Run(t.Context())
	var failed *flow.FailedError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 3, b.Loaded()) // the fifth is sent, but there is a gap before it
	require.NoError(t, b.Close())

	b = open(t, path)
	require.Equal(t, 3, b.Loaded())
	out := sinks.Collect[flights.Flight]()
	require.NoError(t, flow.From(b.Load(sources.Slice(rows()[b.Loaded():]))).To(out).Run(t.Context()))
	require.Equal(t, []int{4, 5}, []int{out.Values()[0].Row, out.Values()[1].Row})
	require.Equal(t, 5, b.Loaded())

}

func TestReload_HasAllRowsLoadedAndAckedAgain(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "journal"))
	messages := load(t, b)
	require.NoError(t, follow(b, sources.Slice(messages), b.Tally))
	before := b.Counts()
	b.Reload()
	require.Zero(t, b.Loaded())
	require.Zero(t, b.Counts().Read)

	require.Len(t, load(t, b), 5)
	require.Equal(t, []int{1, 2, 3, 4, 5}, b.Missing(9))
	require.NoError(t, follow(b, sources.Slice(messages), b.Tally))
	before.Duplicates = 5
	require.Equal(t, before, b.Counts())
}

const header = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay," +
	"carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n"

func TestBury_NotesRowsThatNeverReachedTheTopic(t *testing.T) {
	const good = "2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n"
	csv := filepath.Join(t.TempDir(), "flights.csv")
	text := header + good + "2013,1\n" + good + "2013,1,one" + good[8:] + good
	require.NoError(t, os.WriteFile(csv, []byte(text), 0o600))
	path := filepath.Join(t.TempDir(), "journal")
	b := open(t, path)
	buried, loaded := sinks.Collect[flow.Failure](), sinks.Collect[flights.Flight]()
	require.NoError(t, flow.From(b.Load(sources.CSV[flights.Flight](csv))).
		OnError(flow.DeadLetter(b.Bury(buried))).To(loaded).Run(t.Context()))

	require.Equal(t, csv+":3", buried.Values()[0].Info.Position)
	require.ErrorContains(t, buried.Values()[0].Err, "record has 2 fields, the header has 19")
	require.Equal(t, csv+":5", buried.Values()[1].Info.Position)
	require.ErrorContains(t, buried.Values()[1].Err, `column "day": "one" is no int`)
	require.Equal(t, Counts{Read: 5, Rejected: 2, Carriers: map[string]Carrier{}}, b.Counts())
	require.Equal(t, []int{1, 3, 5}, b.Missing(9))
	require.NoError(t, b.Close())
	require.Equal(t, 2, open(t, path).Counts().Rejected)
}

func TestBury_NotesOnlyWhatIsWritten(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "journal"))
	batch := stage.Batch[flow.Failure]{}
	for _, row := range []string{"1", "2", "3"} {
		batch.Values = append(batch.Values, flow.Failure{Source: &client.Message{Keys: []string{row}}})
	}
	write := func(err error) error {
		sink := sinks.FuncBatch(func(context.Context, []flow.Failure) error { return err })
		w, openErr := b.Bury(sink).Open(t.Context())
		require.NoError(t, openErr)
		return w.Write(t.Context(), batch)
	}
	full := errors.New("disk full")
	require.ErrorIs(t, write(full), full)
	require.Zero(t, b.Counts().Dead)
	partly := &stage.BatchError{}
	partly.Fail(1, full)
	require.ErrorIs(t, write(partly), full)
	require.Equal(t, 2, b.Counts().Dead)
	require.NoError(t, write(nil))
	require.Equal(t, 3, b.Counts().Dead)
}

func TestObserved_HasTheTraitsOfWhatItWraps(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "journal"))
	src := sources.Values(rows()...).Redeliver(3, nil)
	wrapped := b.Load(src)
	require.Equal(t, src.SourceTraits(), wrapped.(stage.SourceDescriber).SourceTraits())
	r, err := wrapped.Open(t.Context())
	require.NoError(t, err)
	require.Equal(t, src.SourceTraits(), r.(stage.SourceDescriber).SourceTraits())
	require.NoError(t, r.Close(t.Context()))

	sink := sinks.Collect[flow.Failure]()
	require.Equal(t, sink.SinkTraits(), b.Bury(sink).(stage.SinkDescriber).SinkTraits())
}

func TestOpen_NamesALineThatIsNotOfABook(t *testing.T) {
	for _, line := range []string{"", "{", "{}", `{"row":1}`, `{"row":-1,"fact":"settled"}`, `{"fact":"settled"}`,
		`{"loaded":1,"row":1}`, `{"loaded":-1}`, `{"loaded":1,"file":"x"}`, `{"row":1,"fact":"settled","file":"x"}`, `{"row":1,"fact":"settled","loaded":2}`, `{"row":1,"fact":"flown"}`} {
		path := filepath.Join(t.TempDir(), "journal")
		require.NoError(t, os.WriteFile(path, []byte(`{"loaded":1}`+"\n"+line+"\n"), 0o600))
		_, err := Open(t.Context(), path, file)
		require.ErrorContains(t, err, path+":2: book:", line)
	}
}

func TestOpen_RefusesTheBookOfAnotherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	require.NoError(t, open(t, path).Close())
	_, err := Open(t.Context(), path, "other.csv")
	require.ErrorContains(t, err, path+` is of the file "flights.csv", not of "other.csv": choose another -run`)
	require.NoError(t, open(t, path).Close())
}

func FuzzOpen_CountsNoRowTwice(f *testing.F) {
	f.Add([]byte(`{"row":1,"fact":"arrived","carrier":"UA","delay":31}` + "\n" + `{"row":1,"fact":"settled"}` + "\n"))
	f.Add([]byte(`{"loaded":7}` + "\n" + `{"row":1,"fact":"dr`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "journal")
		require.NoError(t, os.WriteFile(path, append(data, '\n'), 0o600))
		once, err := Open(t.Context(), path, file)
		if err != nil {
			return
		}
		require.NoError(t, once.Close())
		require.NoError(t, os.WriteFile(path, append(append(data, '\n'), append(data, '\n')...), 0o600))
		twice, err := Open(t.Context(), path, file)
		require.NoError(t, err)
		require.NoError(t, twice.Close())
		want, got := once.Counts(), twice.Counts()
		want.Duplicates, got.Duplicates = 0, 0
		require.Equal(t, want, got)
	})
}
