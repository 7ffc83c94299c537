package sources

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// CSV gives the records of a CSV file whose first line names the columns; see [WithHeader] for
// files without. T is either [Row], for access by name, or a struct with fields like
//
//	Delay *int      `csv:"dep_delay"`
//	Gate  string    `csv:"gate,omitempty"`
//	Day   time.Time `csv:"date" layout:"2006-01-02"`
//
// Columns are found by name, exactly as the header spells it, so their order does not matter;
// further columns are ignored, and one that is missing fails Open. Fields without the tag are left
// alone. The types are strings, booleans, integers, floats, time.Time (by the layout, or else
// RFC 3339), what implements encoding.TextUnmarshaler, and pointers to these, which stay nil where
// the field is empty. With omitempty the zero value stands for an empty field of other types.
//
// Quoted fields may have line breaks. A record with too few or too many fields, with a stray
// quote, or with a field that does not fit its type, is a fault. Blank lines are passed over.
func CSV[T any](path string, opts ...FileOption) *File[T] {
	f := newFile("csv", path, opts, newCSV[T])
	f.keep = true
	return f
}

// CSVFrom is [CSV] of what r gives.
func CSVFrom[T any](r io.Reader, opts ...FileOption) *File[T] {
	f := newFileFrom("csv", r, opts, newCSV[T])
	f.keep = true
	return f
}

// csvRecords decodes the records of one text.
type csvRecords[T any] struct {
	reader  *csv.Reader
	tap     *tap
	bom     int64
	columns int
	decode  func(fields []string) (T, error)
}

func newCSV[T any](t *text, cfg *fileConfig) (decoder[T], error) {
	d := &csvRecords[T]{reader: csv.NewReader(t.buf), tap: t.tap, bom: int64(t.bom)}
	d.reader.Comma = cfg.comma
	d.reader.FieldsPerRecord = -1 // counted by next, which can go on
	header := cfg.header
	if len(header) == 0 {
		var err error
		header, err = d.reader.Read()
		if errors.Is(err, io.EOF) {
			return empty[T]{}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("header: %w", t.explain(d.reason(err, cfg.maxRecord)))
		}
	}
	d.columns = len(header)
	var err error
	d.decode, d.reader.ReuseRecord, err = rowDecoder[T](header)
	return d, err
}

// rowDecoder makes what decodes the fields of a record, and says whether it is done with the slice
// of fields when it returns.
func rowDecoder[T any](header []string) (decode func([]string) (T, error), reuse bool, err error) {
	if decode, ok := any(newRowDecoder(header)).(func([]string) (T, error)); ok {
		return decode, false, nil
	}
	plan, err := newCSVPlan(reflect.TypeFor[T](), header)
	if err != nil {
		return nil, false, err
	}
	return func(fields []string) (v T, err error) {
		err = plan.fill(reflect.ValueOf(&v).Elem(), fields)
		return v, err
	}, true, nil
}

func (d *csvRecords[T]) next() (v T, line int, err error) {
	began := d.offset()
	d.tap.mark = began
	fields, err := d.reader.Read()
	if err != nil {
		return v, d.lineOf(err), d.failed(err, began)
	}
	line, _ = d.reader.FieldPos(0)
	if len(fields) != d.columns {
		return v, line, d.fault(began, fmt.Errorf("record has %d fields, the header has %d", len(fields), d.columns))
	}
	if v, err = d.decode(fields); err != nil {
		var zero T
		return zero, line, d.fault(began, err)
	}
	return v, line, nil
}

func (d *csvRecords[T]) offset() int64 { return d.bom + d.reader.InputOffset() }

func (d *csvRecords[T]) fault(began int64, err error) error {
	return &fault{raw: d.tap.text(began, d.offset()), err: err}
}

func (d *csvRecords[T]) lineOf(err error) int {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return p.StartLine
	}
	return 0
}

// failed tells a record that cannot be parsed from the end of the text. What a text that is cut
// short has left of its last record may look like either.
func (d *csvRecords[T]) failed(err error, began int64) error {
	if d.tap.err != nil && d.offset() >= d.tap.end() {
		return d.reason(d.tap.err, d.tap.limit)
	}
	var p *csv.ParseError
	if !errors.As(err, &p) {
		return d.reason(err, d.tap.limit)
	}
	if p.Line != p.StartLine {
		return d.fault(began, fmt.Errorf("column %d of line %d: %w", p.Column, p.Line, p.Err))
	}
	return d.fault(began, fmt.Errorf("column %d: %w", p.Column, p.Err))
}

func (d *csvRecords[T]) reason(err error, limit int) error {
	if !errors.Is(err, errRecordTooLong) {
		return err
	}
	return fmt.Errorf("%w: more than %d bytes: a quote may not be closed; if it is as long as that, raise sources.WithMaxRecord", err, limit)
}

// empty is a text without even a header.
type empty[T any] struct{}

func (empty[T]) next() (v T, line int, err error) { return v, 0, io.EOF }
func (empty[T]) offset() int64                    { return 0 }

// Row is a record of a CSV file, by the names of its columns.
type Row struct {
	columns *csvColumns
	fields  []string
}

type csvColumns struct {
	names []string
	index map[string]int // of the first column of a name
}

func newRowDecoder(header []string) func([]string) (Row, error) {
	c := &csvColumns{names: header, index: make(map[string]int, len(header))}
	for i, name := range header {
		if _, taken := c.index[name]; !taken {
			c.index[name] = i
		}
	}
	return func(fields []string) (Row, error) { return Row{c, fields}, nil }
}

// Get gives the field of a column, the first if several have the name; "" if none has.
func (r Row) Get(column string) string {
	v, _ := r.Lookup(column)
	return v
}

// Lookup gives the field of a column and whether there is such a column.
func (r Row) Lookup(column string) (string, bool) {
	if r.columns == nil {
		return "", false
	}
	i, ok := r.columns.index[column]
	if !ok {
		return "", false
	}
	return r.fields[i], true
}

// Columns gives the names of the columns in the order of the file. It must not be changed.
func (r Row) Columns() []string {
	if r.columns == nil {
		return nil
	}
	return r.columns.names
}

// Fields gives the fields in the order of the columns. It must not be changed.
func (r Row) Fields() []string { return r.fields }
