package journal

import (
	"errors"
	"time"
)

// run is the committer: it writes batch by batch. It ends by Close, when all is written.
func (j *Journal) run() {
	defer close(j.stopped)
	var sync <-chan time.Time // set while the system has what the disk may not have
	for {
		select {
		case <-j.kick:
			j.drain()
		case <-sync:
			sync = nil
			j.note(j.out.sync())
		case <-j.stop:
			j.drain()
			return
		}
		if j.opts.SyncEvery > 0 && j.out.dirty && sync == nil {
			sync = time.After(j.opts.SyncEvery)
		}
	}
}

// drain writes all that is to be written.
func (j *Journal) drain() {
	for b := j.take(); b != nil; b = j.take() {
		j.finish(b, j.commit(b))
	}
}

func (j *Journal) take() *batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) == 0 || j.err != nil {
		return nil
	}
	b := j.queue[0]
	j.queue = j.queue[1:]
	j.writing = b
	return b
}

// commit writes a batch, and syncs it unless that is relaxed.
func (j *Journal) commit(b *batch) error {
	if j.out.number != b.file {
		if err := j.out.turn(b.file); err != nil {
			return err
		}
	}
	if err := j.out.write(b.data); err != nil {
		return err
	}
	if j.opts.SyncEvery > 0 {
		return nil
	}
	return j.out.sync()
}

// finish tells who waits for a batch what became of it.
func (j *Journal) finish(b *batch, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writing = nil
	if err != nil {
		j.failLocked(err)
		b.err = j.err
	}
	close(b.done)
	if cap(b.data) <= keptBuffer {
		j.spare = b.data[:0]
	}
	b.data = nil
}

// note ends the journal if err is one.
func (j *Journal) note(err error) {
	if err == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failLocked(err)
}

// An output is the segment that is written to.
type output struct {
	fs     FS
	dir    string
	path   func(file uint64) string
	number uint64
	file   File
	dirty  bool // something was written since the last sync
}

// turn begins another segment. The one before it is whole by then: only the end of the last segment
// may be torn.
func (o *output) turn(number uint64) error {
	if err := o.close(); err != nil {
		return err
	}
	file, err := o.fs.Create(o.path(number))
	if err != nil {
		return err
	}
	o.number, o.file = number, file
	if err := o.write(header(logFile, number)); err != nil {
		return err
	}
	// The name must be certain before the first record is, or it would be lost with the file.
	return errors.Join(o.sync(), o.fs.SyncDir(o.dir))
}

func (o *output) write(data []byte) error {
	o.dirty = true
	_, err := o.file.Write(data)
	return err
}

func (o *output) sync() error {
	if !o.dirty {
		return nil
	}
	o.dirty = false // also if it fails: nothing is written any more then, and the file may be closed
	return o.file.Sync()
}

func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	err := errors.Join(o.sync(), o.file.Close())
	o.file = nil
	return err
}
