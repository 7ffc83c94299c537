package journal

import (
	"errors"
	"fmt"
	"slices"
)

// ErrVersion means that a file was written by another version of the journal.
var ErrVersion = errors.New("journal: the file has another format")

// A Recovery is what [Open] has found.
type Recovery struct {
	Records int64 // that replay was given
	Torn    *Torn // nil if the log ends with a whole record
}

// Torn is the end of a log that was not on the disk as a whole at the crash. Nobody had been told
// that it was.
type Torn struct {
	File   string
	Offset int64 // where it began
	Bytes  int64 // how much was cut off
}

// A CorruptError is damage in the midst of what was on the disk: not what a crash leaves.
type CorruptError struct {
	File   string
	Offset int64
	Reason string
}

// Error says where the damage is, and what can be done.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: %q is damaged at offset %d: %s: restore the directory from a copy, or begin with an empty one",
		e.File, e.Offset, e.Reason)
}

// Open opens the journal in a directory, which it makes if there is none, and gives replay every
// record that it has, in order: those of the snapshot first. A record is good until replay returns.
// An error of replay ends the recovery and is in Open's.
//
// It fails with [ErrLocked] if another process has the directory, with a [*CorruptError] if
// something is damaged that no crash explains, and with [ErrVersion].
func Open(dir string, opts Options, replay func(record []byte) error) (*Journal, Recovery, error) {
	opts = opts.withDefaults()
	j := &Journal{
		fs: opts.FS, dir: dir, opts: opts,
		kick:     make(chan struct{}, 1),
		outgrown: make(chan struct{}, 1),
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	if err := j.fs.MkdirAll(dir); err != nil {
		return nil, Recovery{}, fmt.Errorf("journal: make %q: %w", dir, err)
	}
	var err error
	if j.lock, err = j.fs.Lock(j.path(lockName)); err != nil {
		return nil, Recovery{}, fmt.Errorf("journal: lock %q: %w", dir, err)
	}
	found, err := j.recover(replay)
	if err != nil {
		if j.out.file != nil {
			err = errors.Join(err, j.out.file.Close())
		}
		return nil, found, errors.Join(err, j.lock.Close())
	}
	go j.run()
	return j, found, nil
}

// recover reads what there is, and opens the end of it to be written to.
func (j *Journal) recover(replay func([]byte) error) (Recovery, error) {
	r := &recovery{journal: j, replay: replay}
	files, err := j.list()
	if err != nil {
		return r.found, err
	}
	first := uint64(1)
	if n := len(files.snapshots); n > 0 {
		first = files.snapshots[n-1]
		if err := r.readSnapshot(first); err != nil {
			return r.found, err
		}
	}
	if err := r.readLogs(first, files.logs); err != nil {
		return r.found, err
	}
	if err := j.resume(r.end); err != nil {
		return r.found, fmt.Errorf("journal: resume %q: %w", j.dir, err)
	}
	return r.found, j.removeBefore(first)
}

// A recovery is one in the making.
type recovery struct {
	journal *Journal
	replay  func([]byte) error
	found   Recovery
	end     place // behind the last whole record of the log; offset 0 if the segment is still to be made
}

func (r *recovery) readSnapshot(number uint64) error {
	name := r.journal.path(snapshotName(number))
	s, err := r.read(name, snapshotFile, number)
	if err == nil {
		err = errTorn // without its last record it is not whole
	}
	if !errors.Is(err, errEnd) {
		return damage(name, s.at.offset, err)
	}
	r.journal.snapshot = s.size
	return nil
}

// readLogs reads the segments from first on.
func (r *recovery) readLogs(first uint64, all []uint64) error {
	from, _ := slices.BinarySearch(all, first)
	all = all[from:]
	r.end = place{kind: logFile, file: first}
	for i, number := range all {
		if missing := first + uint64(i); number != missing {
			return &CorruptError{r.journal.path(logName(missing)), 0, "the segment is missing"}
		}
		if err := r.readLog(number, i == len(all)-1); err != nil {
			return err
		}
		r.journal.logged += r.end.offset
	}
	return nil
}

// readLog reads one segment. Only in the last one may something be torn.
func (r *recovery) readLog(number uint64, last bool) error {
	name := r.journal.path(logName(number))
	s, err := r.read(name, logFile, number)
	r.end = s.at
	if errors.Is(err, errTorn) && last {
		r.found.Torn = &Torn{File: name, Offset: s.at.offset, Bytes: s.size - s.at.offset}
		return nil
	}
	if err != nil {
		return damage(name, s.at.offset, err)
	}
	return nil
}

// read gives replay the records of a file. What it returns beside an error tells where that was.
func (r *recovery) read(name string, k kind, number uint64) (s *scanner, err error) {
	in, size, err := r.journal.fs.Open(name)
	if err != nil {
		return &scanner{}, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	s = newScanner(in, size, k, number)
	return s, s.each(func(record []byte) error {
		r.found.Records++
		return r.replay(record)
	})
}

// damage says of an error where it was met.
func damage(name string, offset int64, err error) error {
	if errors.Is(err, errTorn) {
		return &CorruptError{name, offset, "what lies there is not what was written"}
	}
	return fmt.Errorf("journal: read %q at offset %d: %w", name, offset, err)
}
