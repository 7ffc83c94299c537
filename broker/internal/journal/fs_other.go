//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package journal

import (
	"io"
	"os"
)

// SyncDir does nothing: not every system can sync a directory, and those that cannot keep its names
// by themselves.
func (OS) SyncDir(string) error { return nil }

// Lock makes the file, but keeps nobody out: two brokers must not be given one directory here.
func (OS) Lock(name string) (io.Closer, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
}
