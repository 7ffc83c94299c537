package state

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
)

// Codec turns values into bytes and back. As the codec of keys it must give one key the same bytes
// each time. It is called from any goroutine.
type Codec[T any] interface {
	// Append appends the bytes of v to dst.
	Append(dst []byte, v T) ([]byte, error)
	// Decode gives the value of bytes that Append made. It keeps nothing of b.
	Decode(b []byte) (T, error)
}

// JSON gives the codec by package encoding/json.
func JSON[T any]() Codec[T] { return jsonCodec[T]{} }

type jsonCodec[T any] struct{}

func (jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

func (jsonCodec[T]) Decode(b []byte) (v T, err error) {
	err = json.Unmarshal(b, &v)
	return v, err
}

// Default gives the codec of tables that are given none. Strings and byte slices are themselves;
// integers and floats have 8 bytes, booleans 1 and times 12, all in an order of bytes that is that of
// the values, so that a table is scanned in the order of its keys. Types made of these, such as
// type Carrier string, are like them; all others go by [JSON]. A time is decoded in UTC.
func Default[T any]() Codec[T] {
	t := reflect.TypeFor[T]()
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return basicCodec[T]{}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return basicCodec[T]{}
		}
	}
	if c, ok := any(timeCodec{}).(Codec[T]); ok {
		return c
	}
	return jsonCodec[T]{}
}

// basicCodec is for the kinds that Default lists.
type basicCodec[T any] struct{}

const signBit = 1 << 63

func (basicCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	switch r := reflect.ValueOf(&v).Elem(); {
	case r.Kind() == reflect.String:
		return append(dst, r.String()...), nil
	case r.Kind() == reflect.Slice:
		return append(dst, r.Bytes()...), nil
	case r.Kind() == reflect.Bool:
		return append(dst, bit(r.Bool())), nil
	case r.CanInt():
		return binary.BigEndian.AppendUint64(dst, uint64(r.Int())^signBit), nil
	case r.CanUint():
		return binary.BigEndian.AppendUint64(dst, r.Uint()), nil
	default:
		return binary.BigEndian.AppendUint64(dst, orderFloat(math.Float64bits(r.Float()))), nil
	}
}

func (basicCodec[T]) Decode(b []byte) (v T, err error) {
	r := reflect.ValueOf(&v).Elem()
	size := 8
	switch r.Kind() {
	case reflect.String:
		r.SetString(string(b))
		return v, nil
	case reflect.Slice:
		r.SetBytes(slices.Clone(b))
		return v, nil
	case reflect.Bool:
		size = 1
	}
	if len(b) != size {
		return v, fmt.Errorf("state: decode %T: %d bytes, not %d: was it written as another type?", v, len(b), size)
	}
	switch {
	case r.Kind() == reflect.Bool:
		r.SetBool(b[0] != 0)
	case r.CanInt():
		n := int64(binary.BigEndian.Uint64(b) ^ signBit)
		if r.OverflowInt(n) {
			return v, fmt.Errorf("state: decode %T: %d does not fit: was it written as another type?", v, n)
		}
		r.SetInt(n)
	case r.CanUint():
		n := binary.BigEndian.Uint64(b)
		if r.OverflowUint(n) {
			return v, fmt.Errorf("state: decode %T: %d does not fit: was it written as another type?", v, n)
		}
		r.SetUint(n)
	default:
		r.SetFloat(math.Float64frombits(unorderFloat(binary.BigEndian.Uint64(b))))
	}
	return v, nil
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// orderFloat gives bits whose order as an integer is that of the floats.
func orderFloat(bits uint64) uint64 {
	if bits&signBit != 0 {
		return ^bits
	}
	return bits | signBit
}

func unorderFloat(bits uint64) uint64 {
	if bits&signBit != 0 {
		return bits &^ signBit
	}
	return ^bits
}

// timeCodec is seconds and nanoseconds.
type timeCodec struct{}

func (timeCodec) Append(dst []byte, t time.Time) ([]byte, error) {
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.Unix())^signBit)
	return binary.BigEndian.AppendUint32(dst, uint32(t.Nanosecond())), nil
}

func (timeCodec) Decode(b []byte) (time.Time, error) {
	if len(b) != 12 {
		return time.Time{}, fmt.Errorf("state: decode time: %d bytes, not 12: was it written as another type?", len(b))
	}
	return time.Unix(int64(binary.BigEndian.Uint64(b)^signBit), int64(binary.BigEndian.Uint32(b[8:]))).UTC(), nil
}
