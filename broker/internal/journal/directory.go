package journal

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

const (
	logSuffix      = ".log"
	snapshotSuffix = ".snap"
	// unfinished is what the name of a snapshot ends with that is being written.
	unfinished = ".tmp"
	lockName   = "lock"
)

func logName(number uint64) string      { return nameOf(number) + logSuffix }
func snapshotName(number uint64) string { return nameOf(number) + snapshotSuffix }

func nameOf(number uint64) string {
	digits := strconv.FormatUint(number, 10)
	return "00000000000000000000"[len(digits):] + digits
}

// A listing is the numbers of the files in a directory, ascending.
type listing struct {
	logs, snapshots []uint64
	unfinished      []string // names
}

// list reads what is in the directory. What is none of the journal's is left alone.
func (j *Journal) list() (listing, error) {
	names, err := j.fs.List(j.dir)
	if err != nil {
		return listing{}, err
	}
	var l listing
	for _, name := range names {
		if number, ok := numberOf(name, logSuffix); ok {
			l.logs = append(l.logs, number)
		} else if number, ok := numberOf(name, snapshotSuffix); ok {
			l.snapshots = append(l.snapshots, number)
		} else if strings.HasSuffix(name, snapshotSuffix+unfinished) {
			l.unfinished = append(l.unfinished, name)
		}
	}
	slices.Sort(l.logs)
	slices.Sort(l.snapshots)
	return l, nil
}

func numberOf(name, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != len(nameOf(0)) {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil && number > 0
}

// resume opens the segment that ends at the given place, to be written to, or makes it.
func (j *Journal) resume(end place) error {
	j.tail = end
	j.out = output{fs: j.fs, dir: j.dir, path: func(n uint64) string { return j.path(logName(n)) }}
	if end.offset == 0 {
		j.tail.offset = fileHeader
		return j.out.turn(end.file)
	}
	file, err := j.fs.Append(j.path(logName(end.file)), end.offset)
	if err != nil {
		return err
	}
	// What was read may be known to the system alone, after the process was killed. What is built on
	// it must not be safer than it.
	j.out.number, j.out.file, j.out.dirty = end.file, file, true
	return errors.Join(j.out.sync(), j.fs.SyncDir(j.dir))
}

// removeBefore removes what the snapshot of that number, or the beginning of all, leaves behind.
func (j *Journal) removeBefore(number uint64) error {
	l, err := j.list()
	if err != nil {
		return err
	}
	names := l.unfinished
	for _, n := range l.logs {
		if n < number {
			names = append(names, logName(n))
		}
	}
	for _, n := range l.snapshots {
		if n < number {
			names = append(names, snapshotName(n))
		}
	}
	for _, name := range names {
		err = errors.Join(err, j.fs.Remove(j.path(name)))
	}
	return err
}
