package pebble

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	errdetail "github.com/cockroachdb/errors"
	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rocketflow-io/rocketflow/state"
)

// damage makes an error of the database that is due to a damaged or missing file one that names the
// file.
func damage(dir string, err error) error {
	if _, known := errors.AsType[*state.CorruptionError](err); err == nil || known {
		return err
	}
	if !db.IsCorruptionError(err) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &state.CorruptionError{File: fileOf(dir, err), Err: err}
}

// fileOf gives the file that an error of the database is about. Some have its path, some have its name
// in the text, some its number alone.
func fileOf(dir string, err error) string {
	if info := db.ExtractDataCorruptionInfo(err); info != nil && info.Path != "" {
		return info.Path
	}
	text := strings.ReplaceAll(fmt.Sprintf("%v %v", err, errdetail.GetAllDetails(err)), dir, "")
	if name := regexp.MustCompile(`(MANIFEST|OPTIONS)-\d{6}|marker\.[\w.-]+|\d{6}\.(sst|log|blob)`).FindString(text); name != "" {
		return filepath.Join(dir, name)
	}
	if number := regexp.MustCompile(`(file|wal) (\d{6})`).FindStringSubmatch(text); number != nil {
		return filepath.Join(dir, number[2]+map[string]string{"file": ".sst", "wal": ".log"}[number[1]])
	}
	return dir
}

// check gives an error if opening the directory would lose what was written, without the database's
// noticing: where its logs are damaged, or nothing says that it is a store.
func check(files vfs.FS, dir string) error {
	names, err := files.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("state/pebble: open %q: %w", dir, err)
	}
	desc, err := db.Peek(dir, files)
	if err != nil {
		return damage(dir, fmt.Errorf("state/pebble: open %q: %w", dir, err))
	}
	if desc.Exists && desc.OptionsFilename != "" {
		if err := checkOptions(files, dir, desc.OptionsFilename); err != nil {
			return err
		}
	}
	for _, name := range names {
		isLog := strings.HasSuffix(name, ".log")
		switch {
		case desc.Exists && isLog:
			if err := checkLog(files, dir, name); err != nil {
				return err
			}
		case desc.Exists && name == files.PathBase(desc.ManifestFilename):
			if err := checkManifest(files, dir, name); err != nil {
				return err
			}
		case !desc.Exists && (isLog || strings.HasSuffix(name, ".sst")):
			return &state.CorruptionError{File: filepath.Join(dir, name), Err: errors.New("the marker of the manifest that lists it is missing")}
		}
	}
	return nil
}

// checkOptions gives an error if the file of options is damaged: those that matter have never been others.
func checkOptions(files vfs.FS, dir, path string) error {
	f, err := files.Open(path)
	if err != nil {
		return fmt.Errorf("state/pebble: open %q: %w", dir, err)
	}
	text, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("state/pebble: open %q: %w", dir, err)
	}
	o := &db.Options{}
	o.EnsureDefaults()
	if err := o.CheckCompatibility(dir, string(text)); err != nil {
		return &state.CorruptionError{File: path, Err: err}
	}
	return nil
}
