package pebble

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	db "github.com/cockroachdb/pebble/v2"

	"github.com/rocketflow-io/rocketflow/state"
)

// listMost is how many keys one list of what expires has at most, so that a sweep can stop in between.
const listMost = 64

// lists gathers what expires, so that the entries of a commit that expire together, such as ids that are
// remembered for some time, take few keys of the database and not one each.
type lists struct {
	of   state.Version // the commit; Any for a restore, which has no other
	next uint32        // number of the next list
	all  []expiring
}

type expiring struct {
	expires int64
	table   string
	key     []byte // kept until write
}

func (l *lists) add(expires int64, table string, key []byte) {
	l.all = append(l.all, expiring{expires, table, key})
}

// write puts lists of what was gathered into a batch, and gathers anew.
func (l *lists) write(batch *db.Batch) error {
	slices.SortStableFunc(l.all, func(a, b expiring) int {
		if a.expires != b.expires {
			return cmp.Compare(a.expires, b.expires)
		}
		return strings.Compare(a.table, b.table)
	})
	var key, list []byte
	for rest := l.all; len(rest) > 0; l.next++ {
		first := rest[0]
		key = expiryKey(key[:0], first.expires, l.of, l.next)
		list = append(append(list[:0], byte(len(first.table))), first.table...)
		n := 0
		for n < min(len(rest), listMost) && rest[n].expires == first.expires && rest[n].table == first.table {
			list = append(binary.AppendUvarint(list, uint64(len(rest[n].key))), rest[n].key...)
			n++
		}
		if err := batch.Set(key, list, nil); err != nil {
			return err
		}
		rest = rest[n:]
	}
	clear(l.all)
	l.all = l.all[:0]
	return nil
}

// eachListed gives the table and the keys of a list.
func eachListed(list []byte, f func(table string, key []byte) error) error {
	table, list, err := splitPlace(list)
	if err != nil {
		return err
	}
	for len(list) > 0 {
		size, n := binary.Uvarint(list)
		if n <= 0 || size > uint64(len(list)-n) {
			return errors.New("a list of what expires that is cut short")
		}
		end := n + int(size)
		if err := f(table, list[n:end]); err != nil {
			return err
		}
		list = list[end:]
	}
	return nil
}
