package sources

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// csvPlan is how records with a certain header fill a struct type.
type csvPlan struct{ fields []csvField }

type csvField struct {
	path   []int // of the struct field
	column int
	name   string
	set    setter
}

// setter parses a field into a value of the type it was made for.
type setter func(v reflect.Value, field string) error

func newCSVPlan(t reflect.Type, header []string) (*csvPlan, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%v cannot hold a CSV record: use sources.Row, or a struct with csv tags", t)
	}
	plan := &csvPlan{}
	var faults []error
	for _, f := range reflect.VisibleFields(t) {
		tag, ok := f.Tag.Lookup("csv")
		if !ok || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		set, err := newSetter(f.Type, f.Tag.Get("layout"))
		column := slices.Index(header, name)
		switch {
		case !f.IsExported():
			err = errors.New("is not exported")
		case behindHiddenPointer(t, f.Index):
			err = errors.New("is behind an embedded pointer that is not exported: embed the struct itself")
		case column < 0:
			err = fmt.Errorf("there is no column %q: the header has %s", name, strings.Join(header, ", "))
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("field %s of %v: %w", f.Name, t, err))
			continue
		}
		if options == "omitempty" {
			set = orZero(set)
		}
		plan.fields = append(plan.fields, csvField{path: f.Index, column: column, name: name, set: set})
	}
	if len(plan.fields) == 0 && len(faults) == 0 {
		return nil, fmt.Errorf("%v has no field with a csv tag", t)
	}
	return plan, errors.Join(faults...)
}

// behindHiddenPointer tells whether a field stands in an embedded struct that cannot be made here.
func behindHiddenPointer(t reflect.Type, path []int) bool {
	for n := 1; n < len(path); n++ {
		if f := t.FieldByIndex(path[:n]); f.Type.Kind() == reflect.Pointer && !f.IsExported() {
			return true
		}
	}
	return false
}

// reach gives a field, and makes the embedded structs on the way to it.
func reach(v reflect.Value, path []int) reflect.Value {
	for n, i := range path {
		if n > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v
}

func (p *csvPlan) fill(v reflect.Value, fields []string) (err error) {
	defer recoverUser(&err) // of the user's UnmarshalText
	for i := range p.fields {
		f := &p.fields[i]
		if err := f.set(reach(v, f.path), fields[f.column]); err != nil {
			return fmt.Errorf("column %q: %w", f.name, err)
		}
	}
	return nil
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	timeType        = reflect.TypeFor[time.Time]()
)

func newSetter(t reflect.Type, layout string) (setter, error) {
	switch {
	case t.Kind() == reflect.Pointer:
		set, err := newSetter(t.Elem(), layout)
		return pointer(t.Elem(), set), err
	case t == timeType && layout != "":
		return setTime(layout), nil
	case reflect.PointerTo(t).Implements(textUnmarshaler):
		return setText, nil
	}
	switch t.Kind() {
	case reflect.String:
		return setString, nil
	case reflect.Bool:
		return setBool, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return setInt, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return setUint, nil
	case reflect.Float32, reflect.Float64:
		return setFloat, nil
	}
	return nil, fmt.Errorf("a field of a CSV record cannot become a %v: let it implement encoding.TextUnmarshaler", t)
}

func orZero(set setter) setter {
	return func(v reflect.Value, s string) error {
		if s == "" {
			return nil
		}
		return set(v, s)
	}
}

func pointer(elem reflect.Type, set setter) setter {
	return orZero(func(v reflect.Value, s string) error {
		p := reflect.New(elem)
		if err := set(p.Elem(), s); err != nil {
			return err
		}
		v.Set(p)
		return nil
	})
}

func setString(v reflect.Value, s string) error {
	v.SetString(s)
	return nil
}

func setBool(v reflect.Value, s string) error {
	b, err := strconv.ParseBool(s)
	v.SetBool(b)
	return unfit(v, s, err)
}

func setInt(v reflect.Value, s string) error {
	n, err := strconv.ParseInt(s, 10, v.Type().Bits())
	v.SetInt(n)
	return unfit(v, s, err)
}

func setUint(v reflect.Value, s string) error {
	n, err := strconv.ParseUint(s, 10, v.Type().Bits())
	v.SetUint(n)
	return unfit(v, s, err)
}

func setFloat(v reflect.Value, s string) error {
	n, err := strconv.ParseFloat(s, v.Type().Bits())
	v.SetFloat(n)
	return unfit(v, s, err)
}

func setTime(layout string) setter {
	return func(v reflect.Value, s string) error {
		at, err := time.Parse(layout, s)
		v.Set(reflect.ValueOf(at))
		return unfit(v, s, err)
	}
}

func setText(v reflect.Value, s string) error {
	err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s))
	return unfit(v, s, err)
}

// unfit says what does not fit, without strconv's own wording of it.
func unfit(v reflect.Value, s string, err error) error {
	if err == nil {
		return nil
	}
	var n *strconv.NumError
	if errors.As(err, &n) {
		err = n.Err
	}
	return fmt.Errorf("%.40q is no %v: %w", s, v.Type(), err)
}
