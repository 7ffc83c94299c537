package stagetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/rocketflow-io/rocketflow/flow/stage"
)

// fakeSource is a keyed source that redelivers, with a flaw or without, or with a manner of its own
// that is none.
type fakeSource struct {
	flaw    string
	waiting []fakeRecord
	calls   int
}

type fakeRecord struct {
	value   string
	attempt int
}

func newFakeSource(flaw string, values ...string) *fakeSource {
	s := &fakeSource{flaw: flaw}
	for _, v := range values {
		s.waiting = append(s.waiting, fakeRecord{v, 1})
	}
	return s
}

func (s *fakeSource) SourceTraits() stage.SourceTraits {
	return stage.SourceTraits{Keyed: true, Redelivers: true}
}

func (s *fakeSource) Open(context.Context) (stage.Reader[string], error) {
	return &fakeReader{source: s, out: make(map[string]fakeRecord)}, nil
}

type fakeReader struct {
	source *fakeSource
	out    map[string]fakeRecord
}

func (r *fakeReader) Read(ctx context.Context) (stage.Batch[string], error) {
	s := r.source
	s.calls++
	if s.flaw == "drops" && ctx.Err() != nil && len(s.waiting) > 0 {
		s.waiting = s.waiting[1:]
	}
	if s.flaw != "heedless" && s.flaw != "gives with the error" && ctx.Err() != nil {
		return stage.Batch[string]{}, ctx.Err()
	}
	if len(s.waiting) == 0 {
		switch {
		case s.flaw == "gives with the error" && ctx.Err() != nil:
			return stage.Batch[string]{}, ctx.Err()
		case s.flaw == "heedless" && ctx.Err() != nil:
			return stage.Batch[string]{Values: []string{"z"}}, nil
		case s.flaw == "repeats" && s.calls < 5:
			return stage.Batch[string]{Values: []string{"a1"}}, nil
		}
		return stage.Batch[string]{}, io.EOF
	}
	if s.flaw == "empty" {
		return stage.Batch[string]{}, nil
	}
	n := min(2, len(s.waiting))
	records := slices.Clone(s.waiting[:n])
	s.waiting = s.waiting[n:]
	d := &fakeDelivery{reader: r, records: records}
	var values []string
	for _, rec := range records {
		r.out[rec.value] = rec
		values = append(values, rec.value)
	}
	err := ctx.Err() // of who gives with the error
	switch {
	case s.flaw == "heedless":
		err = nil
	case s.flaw == "gives with the end" && len(s.waiting) == 0:
		err = io.EOF
	}
	return stage.Batch[string]{Values: values, Info: d.info, Settler: d}, err
}

func (r *fakeReader) Close(context.Context) error {
	if r.source.flaw == "fails to close" {
		return errors.New("no")
	}
	return nil
}

type fakeDelivery struct {
	reader  *fakeReader
	records []fakeRecord
	asked   int
}

func (d *fakeDelivery) info(i int) stage.Info {
	d.asked++
	rec := d.records[i]
	info := stage.Info{ID: rec.value, Key: rec.value[:1], Attempt: rec.attempt}
	switch d.reader.source.flaw {
	case "unstable":
		info.Position = strconv.Itoa(d.asked)
	case "one id":
		info.ID = "1"
	}
	return info
}

func (d *fakeDelivery) Settle(_ context.Context, outcomes []stage.Outcome) error {
	s := d.reader.source
	for _, o := range outcomes {
		rec, held := d.reader.out[d.records[o.Index].value]
		if !held && s.flaw != "led astray" {
			return errors.New("not held")
		}
		delete(d.reader.out, rec.value)
		switch {
		case !held:
			s.waiting = append(s.waiting, d.records[o.Index])
		case o.Err == nil && s.flaw != "in order only":
		case o.Err == nil:
			if o.Index > 0 && len(d.reader.out) > 1 {
				return errors.New("out of order")
			}
		case s.flaw == "forgets failures":
		default:
			s.back(rec)
		}
	}
	return nil
}

func (s *fakeSource) back(rec fakeRecord) {
	rec.attempt++
	s.waiting = append(s.waiting, rec)
	slices.SortFunc(s.waiting, func(a, b fakeRecord) int {
		c := 1
		if a.value < b.value {
			c = -1
		}
		if s.flaw == "reorders" {
			return -c
		}
		return c
	})
}

// fakeSink is a sink with ordered keys, with a flaw or without.
type fakeSink struct {
	flaw    string
	written []string
	kept    [][]string
}

const poison = "poison"

func (s *fakeSink) SinkTraits() stage.SinkTraits {
	return stage.SinkTraits{OrderedKeys: true, Concurrency: 1}
}

func (s *fakeSink) Open(context.Context) (stage.Writer[string], error) {
	if s.flaw == "begins anew" {
		s.written = nil
	}
	return &fakeWriter{sink: s}, nil
}

func (s *fakeSink) all() []string {
	all := slices.Clone(s.written)
	for _, k := range s.kept {
		all = append(all, k...)
	}
	return all
}

type fakeWriter struct{ sink *fakeSink }

func (w *fakeWriter) Write(ctx context.Context, b stage.Batch[string]) error {
	s := w.sink
	if ctx.Err() != nil && s.flaw != "lies" {
		return ctx.Err()
	} else if ctx.Err() != nil {
		return nil
	}
	if s.flaw == "keeps" {
		s.kept = append(s.kept, b.Values)
		return nil
	}
	var failed stage.BatchError
	broken := make(map[string]bool)
	for i, v := range b.Values {
		key := b.At(i).Key
		switch {
		case v == poison && s.flaw == "names another":
			failed.Fail(i+1, errors.New("no"))
		case v == poison && s.flaw == "swallows":
		case v == poison, broken[key] && s.flaw != "goes on":
			failed.Fail(i, errors.New("no"))
			broken[key] = key != ""
		default:
			s.written = append(s.written, v)
		}
	}
	if s.flaw == "reverses" {
		slices.Reverse(s.written)
	}
	return failed.OrNil()
}

func (w *fakeWriter) Close(context.Context) error { return nil }
