package pebble

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rocketflow-io/rocketflow/state"
)

// boundName is the file that says up to which version commits were safe when it was written. The
// database takes damage at the end of its manifest or its log for what a crash has left; a store that
// opens with an earlier version than this has lost commits by damage.
const boundName = "safe"

func boundText(v state.Version) string {
	said := fmt.Sprintf("safe up to version %d", v)
	return fmt.Sprintf("%s, checksum %08x\n", said, crc32.ChecksumIEEE([]byte(said)))
}

// writeBound says that commits up to a version are safe.
func writeBound(files vfs.FS, dir string, v state.Version) error {
	path := files.PathJoin(dir, boundName)
	f, err := files.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, boundText(v))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := files.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := files.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readBound gives the version up to which commits are safe; Any if nothing says so.
func readBound(files vfs.FS, dir string) (state.Version, error) {
	path := files.PathJoin(dir, boundName)
	f, err := files.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state.Any, nil
	}
	if err != nil {
		return 0, err
	}
	b, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	var v state.Version
	if _, err := fmt.Sscanf(string(b), "safe up to version %d,", &v); err != nil || string(b) != boundText(v) {
		return 0, &state.CorruptionError{File: path, Err: errors.New("it is not as it was written")}
	}
	return v, nil
}

// bound writes the bound, if there is anything new to say.
func (s *Store) bound() error {
	s.safe.mu.Lock()
	v := s.safe.version
	s.safe.mu.Unlock()
	if v == s.bounded {
		return nil
	}
	if err := writeBound(s.files, s.dir, v); err != nil {
		return fmt.Errorf("state/pebble: write %q: %w", boundName, err)
	}
	s.bounded = v
	return nil
}
