package flights

import (
	"bytes"
	"fmt"
	"strconv"
)

// missing is how the data writes a value that is not known.
const missing = "NA"

// Number is an integer of the data that may be missing. The zero value is missing.
type Number struct {
	Value int
	Known bool
}

// Int gives a number that is known.
func Int(n int) Number { return Number{Value: n, Known: true} }

// UnmarshalText reads a field of the CSV: an integer, or NA or nothing for a missing one.
func (n *Number) UnmarshalText(text []byte) error {
	*n = Number{}
	if len(text) == 0 || string(text) == missing {
		return nil
	}
	v, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("want an integer or %s", missing)
	}
	*n = Int(v)
	return nil
}

// MarshalJSON gives the integer, or null for a missing one.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.Known {
		return []byte("null"), nil
	}
	return strconv.AppendInt(nil, int64(n.Value), 10), nil
}

// UnmarshalJSON reads what MarshalJSON gives.
func (n *Number) UnmarshalJSON(data []byte) error {
	*n = Number{}
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	v, err := strconv.Atoi(string(data))
	if err != nil {
		return fmt.Errorf("flights: %.40q is no integer", data)
	}
	*n = Int(v)
	return nil
}
