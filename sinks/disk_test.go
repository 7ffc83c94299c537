package sinks

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// faultyDisk is the real disk until it is told to fail.
type faultyDisk struct {
	osDisk
	room     int // bytes until the disk is full; below 0 for no end
	noSync   bool
	noCut    bool
	syncs    int
	dirSyncs int
}

func (d *faultyDisk) open(path string, flag int, mode fs.FileMode) (diskFile, error) {
	f, err := os.OpenFile(path, flag, mode)
	return &faultyFile{f, d}, err
}

func (d *faultyDisk) syncDir(path string) error {
	d.dirSyncs++
	return d.osDisk.syncDir(path)
}

type faultyFile struct {
	*os.File
	disk *faultyDisk
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if f.disk.room < 0 || len(p) <= f.disk.room {
		return f.File.Write(p)
	}
	n, err := f.File.Write(p[:f.disk.room])
	return n, errors.Join(err, syscall.ENOSPC)
}

func (f *faultyFile) Sync() error {
	f.disk.syncs++
	if f.disk.noSync {
		return syscall.EIO
	}
	return f.File.Sync()
}

func (f *faultyFile) Truncate(size int64) error {
	if f.disk.noCut {
		return syscall.EIO
	}
	return f.File.Truncate(size)
}

func onDisk(d disk) FileOption { return func(c *fileConfig) { c.disk = d } }
