package pebble

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ordered has the changes of a directory reach the disk in order where the database counts on it. What
// is current it tells by marker files: it makes the new one, removes the old one, and only then syncs
// the directory, together with the files that the new one names. A file system may keep some of these
// changes in a crash and lose others, earlier ones: the marker then names a file that is not there, or
// there is none, and the store seems empty.
type ordered struct{ vfs.FS }

const markerPrefix = "marker."

func (o ordered) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := o.syncBefore(name); err != nil {
		return nil, err
	}
	return o.FS.Create(name, category)
}

func (o ordered) Remove(name string) error {
	if err := o.syncBefore(name); err != nil {
		return err
	}
	return o.FS.Remove(name)
}

// syncBefore syncs the directory of a marker.
func (o ordered) syncBefore(name string) error {
	if !strings.HasPrefix(o.PathBase(name), markerPrefix) {
		return nil
	}
	dir, err := o.OpenDir(o.PathDir(name))
	if err != nil {
		return err
	}
	if err := dir.Sync(); err != nil {
		_ = dir.Close()
		return err
	}
	return dir.Close()
}
