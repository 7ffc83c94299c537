package sinks

import (
	"bytes"
	"encoding"
	"encoding/csv"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// CSV writes each value as a CSV record. T is either []string, the fields, or a struct whose fields
// have a csv tag as for sources.CSV: the tags name the columns and are the header, in the order of
// the struct, and fields without one are left out. The types are strings, booleans, integers,
// floats, time.Time (by the tag layout, or else RFC 3339), what implements encoding.TextMarshaler,
// and pointers to these, of which nil is an empty field; with omitempty the zero value is one too.
//
// The header begins a new file. A file that exists must begin with the same one, or Open fails.
func CSV[T any](path string, opts ...FileOption) *File[T] {
	return newFile("csv", path, opts, newCSVFormat[T])
}

func newCSVFormat[T any](cfg *fileConfig) format[T] {
	f := format[T]{quotes: true}
	header, fields, err := csvFields[T](cfg.header)
	p := newCSVPrinter(cfg.comma)
	if err == nil && len(header) > 0 {
		var b bytes.Buffer
		err = p.print(&b, header)
		f.header = b.Bytes()
	}
	if err != nil {
		f.problem = fmt.Errorf("sinks: csv: %w", err)
		return f
	}
	f.append = func(b *bytes.Buffer, v T) error {
		record, err := fields(v)
		if err != nil {
			return err
		}
		return p.print(b, record)
	}
	return f
}

// csvPrinter prints records into one buffer or another, by one csv.Writer. A sink is open once at a
// time, and writes one batch at a time.
type csvPrinter struct {
	*bytes.Buffer // where to
	w             *csv.Writer
}

func newCSVPrinter(comma rune) *csvPrinter {
	p := &csvPrinter{}
	p.w = csv.NewWriter(p)
	p.w.Comma = comma
	return p
}

func (p *csvPrinter) print(b *bytes.Buffer, record []string) error {
	switch {
	case len(record) == 0:
		return errors.New("the record has no fields")
	case len(record) == 1 && record[0] == "":
		b.WriteString("\"\"\n") // csv.Writer would write a blank line, which readers pass over
		return nil
	}
	p.Buffer = b
	err := p.w.Write(record)
	p.w.Flush()
	return errors.Join(err, p.w.Error())
}

// csvFields gives the header of T, and what makes the fields of a value.
func csvFields[T any](header []string) ([]string, func(T) ([]string, error), error) {
	if f, ok := any(func(v []string) ([]string, error) { return v, nil }).(func(T) ([]string, error)); ok {
		return header, f, nil
	}
	plan, err := newCSVPlan(reflect.TypeFor[T]())
	if err != nil {
		return nil, nil, err
	}
	return plan.header(), func(v T) ([]string, error) { return plan.fields(reflect.ValueOf(v)) }, nil
}

// csvPlan is how the fields of a struct type become those of a record.
type csvPlan []csvColumn

type csvColumn struct {
	name string
	path []int
	omit bool
	text printer
}

type printer func(v reflect.Value) (string, error)

func newCSVPlan(t reflect.Type) (csvPlan, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%v is no CSV record: use []string, or a struct with csv tags", t)
	}
	var plan csvPlan
	var faults []error
	for _, f := range reflect.VisibleFields(t) {
		tag, ok := f.Tag.Lookup("csv")
		if !ok || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		p, err := newPrinter(f.Type, f.Tag.Get("layout"))
		if !f.IsExported() {
			err = errors.New("is not exported")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("field %s of %v: %w", f.Name, t, err))
			continue
		}
		plan = append(plan, csvColumn{name: name, path: f.Index, omit: options == "omitempty", text: p})
	}
	if len(plan) == 0 && len(faults) == 0 {
		return nil, fmt.Errorf("%v has no field with a csv tag", t)
	}
	return plan, errors.Join(faults...)
}

func (p csvPlan) header() []string {
	names := make([]string, len(p))
	for i, c := range p {
		names[i] = c.name
	}
	return names
}

func (p csvPlan) fields(v reflect.Value) ([]string, error) {
	out := make([]string, len(p))
	for i, c := range p {
		f, err := v.FieldByIndexErr(c.path)
		if err != nil || c.omit && f.IsZero() {
			continue // a field of an embedded pointer that is nil is empty
		}
		if out[i], err = c.text(f); err != nil {
			return nil, fmt.Errorf("column %q: %w", c.name, err)
		}
	}
	return out, nil
}

var (
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	timeType      = reflect.TypeFor[time.Time]()
)

func newPrinter(t reflect.Type, layout string) (printer, error) {
	switch {
	case t.Kind() == reflect.Pointer:
		elem, err := newPrinter(t.Elem(), layout)
		if err != nil && t.Implements(textMarshaler) {
			return printNotNil(printText), nil // by a method of the pointer
		}
		return printNotNil(func(v reflect.Value) (string, error) { return elem(v.Elem()) }), err
	case t == timeType && layout != "":
		return func(v reflect.Value) (string, error) { return v.Interface().(time.Time).Format(layout), nil }, nil
	case t.Implements(textMarshaler):
		return printText, nil
	}
	switch t.Kind() {
	case reflect.String:
		return func(v reflect.Value) (string, error) { return v.String(), nil }, nil
	case reflect.Bool:
		return func(v reflect.Value) (string, error) { return strconv.FormatBool(v.Bool()), nil }, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(v reflect.Value) (string, error) { return strconv.FormatInt(v.Int(), 10), nil }, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(v reflect.Value) (string, error) { return strconv.FormatUint(v.Uint(), 10), nil }, nil
	case reflect.Float32, reflect.Float64:
		return func(v reflect.Value) (string, error) {
			return strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()), nil
		}, nil
	}
	return nil, fmt.Errorf("a %v cannot become a field of a CSV record: let it implement encoding.TextMarshaler", t)
}

func printNotNil(p printer) printer {
	return func(v reflect.Value) (string, error) {
		if v.IsNil() {
			return "", nil
		}
		return p(v)
	}
}

func printText(v reflect.Value) (string, error) {
	text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	return string(text), err
}
