package sinks

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// disk is the part of package os that files are written with; tests let it fail.
type disk interface {
	open(path string, flag int, mode fs.FileMode) (diskFile, error)
	syncDir(path string) error
}

type diskFile interface {
	io.ReadWriteSeeker
	io.Closer
	Truncate(size int64) error
	Sync() error
}

type osDisk struct{}

func (osDisk) open(path string, flag int, mode fs.FileMode) (diskFile, error) {
	return os.OpenFile(path, flag, mode)
}

// syncDir makes the name of a new file as durable as its content.
func (osDisk) syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be opened there, and need not be synced
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// recordLog is a file to which records are appended, all of an append or none.
type recordLog struct {
	cfg    *fileConfig
	file   diskFile
	end    int64 // of the last whole append
	synced time.Time
	dirty  bool  // there are appends that were not synced
	broken error // the file could not be brought back to end
	zip    *gzip.Writer
	packed bytes.Buffer
}

// openLog opens the file, brings it to its last whole record, and begins it with the header if it
// is empty.
func openLog(path string, cfg *fileConfig, header []byte, quotes bool) (*recordLog, error) {
	flag := os.O_RDWR | os.O_CREATE
	if cfg.replace {
		flag |= os.O_TRUNC
	}
	file, err := cfg.disk.open(path, flag, cfg.mode)
	if err != nil {
		return nil, err
	}
	l := &recordLog{cfg: cfg, file: file, synced: time.Now()}
	if err := l.begin(path, header, quotes); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

func (l *recordLog) begin(path string, header []byte, quotes bool) error {
	size, err := l.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if l.end, err = wholeRecords(l.file, header, quotes, l.cfg.gzip); err != nil {
		return err
	}
	if l.end < size {
		l.cfg.log.Warn("a write was cut short: its last record is cut off, and comes again",
			"file", path, "bytes", size-l.end)
	}
	if err := l.cutBack(); err != nil {
		return err
	}
	if l.end > 0 {
		return nil
	}
	if err := l.append(header); err != nil {
		return err
	}
	return l.cfg.disk.syncDir(filepath.Dir(path))
}

// append writes p and syncs it as the options have it. After an error the file is as it was before.
func (l *recordLog) append(p []byte) error {
	if l.broken != nil {
		return l.broken
	}
	if len(p) == 0 {
		return nil
	}
	p, err := l.pack(p)
	if err != nil {
		return err
	}
	if err := l.write(p); err != nil {
		return errors.Join(err, l.cutBack())
	}
	l.end += int64(len(p))
	return nil
}

func (l *recordLog) write(p []byte) error {
	if n, err := l.file.Write(p); err != nil {
		return err
	} else if n < len(p) {
		return io.ErrShortWrite
	}
	l.dirty = true
	if l.cfg.sync < 0 || time.Since(l.synced) < l.cfg.sync {
		return nil
	}
	return l.sync()
}

func (l *recordLog) sync() error {
	if !l.dirty {
		return nil
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.dirty, l.synced = false, time.Now()
	return nil
}

// pack makes p a gzip member.
func (l *recordLog) pack(p []byte) ([]byte, error) {
	if !l.cfg.gzip {
		return p, nil
	}
	l.packed.Reset()
	if l.zip == nil {
		l.zip = gzip.NewWriter(&l.packed)
	} else {
		l.zip.Reset(&l.packed)
	}
	if _, err := l.zip.Write(p); err != nil {
		return nil, err
	}
	if err := l.zip.Close(); err != nil {
		return nil, err
	}
	return l.packed.Bytes(), nil
}

// cutBack brings the file to the end of the last whole append. Where that fails nothing more is
// written, since it would stand behind a torn record; the next Open cuts that off.
func (l *recordLog) cutBack() error {
	err := l.file.Truncate(l.end)
	if err == nil {
		_, err = l.file.Seek(l.end, io.SeekStart)
	}
	if err != nil {
		l.broken = fmt.Errorf("file ends in a torn record, which cannot be cut off: start again: %w", err)
	}
	return err
}

func (l *recordLog) close() error { return errors.Join(l.sync(), l.file.Close()) }
