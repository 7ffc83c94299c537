package seeded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tag is the build tag of programs on a seeded runtime.
const Tag = "seeded"

// A Toolchain is the go command with the changed runtime.
type Toolchain struct {
	root    string // GOROOT
	overlay string // a file for -overlay
}

// New prepares the toolchain that the go command uses here. It fails if the source of that is not what
// the edits are made for.
func New(ctx context.Context) (*Toolchain, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("seeded: go env: %w", err)
	}
	goroot, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("seeded: %w", err)
	}
	dir := filepath.Join(cache, "rocketflow", "seeded", version)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("seeded: %w", err)
	}
	// Files in the module cache, where the toolchain may be, must not be replaced; by another name they may.
	t := &Toolchain{root: filepath.Join(dir, "goroot"), overlay: filepath.Join(dir, "overlay.json")}
	if err := link(goroot, t.root); err != nil {
		return nil, fmt.Errorf("seeded: %w", err)
	}
	return t, t.write(dir)
}

// link makes a symbolic link, unless it is there.
func link(to, name string) error {
	if at, err := os.Readlink(name); err == nil && at == to {
		return nil
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(to, name); err != nil && !errors.Is(err, fs.ErrExist) { // by another process
		return err
	}
	return nil
}

// write makes the changed files, and the list of them.
func (t *Toolchain) write(dir string) error {
	changed := make(map[string][]byte)
	for _, e := range edits() {
		path := filepath.Join(t.root, "src", filepath.FromSlash(e.file))
		text := changed[path]
		if text == nil {
			var err error
			if text, err = os.ReadFile(path); err != nil {
				return fmt.Errorf("seeded: %w", err)
			}
		}
		if n := bytes.Count(text, []byte(e.text)); n != 1 {
			return fmt.Errorf("seeded: %s has %d places with %q instead of 1: the edits are for another version of Go", path, n, e.text)
		}
		changed[path] = bytes.Replace(text, []byte(e.text), []byte(e.becomes), 1)
	}
	replace := make(map[string]string)
	for path, text := range changed {
		sum := sha256.Sum256(text)
		replace[path] = filepath.Join(dir, fmt.Sprintf("%x.go", sum[:8]))
		if err := writeFile(replace[path], text); err != nil {
			return err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return fmt.Errorf("seeded: %w", err)
	}
	return writeFile(t.overlay, list)
}

// writeFile writes a file whole, also while another process does the same.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "new")
	if err != nil {
		return fmt.Errorf("seeded: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("seeded: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Command gives the go command with a subcommand that builds, such as test.
func (t *Toolchain) Command(ctx context.Context, subcommand string, args ...string) *exec.Cmd {
	args = append([]string{subcommand, "-overlay", t.overlay, "-tags", Tag}, args...)
	cmd := exec.CommandContext(ctx, filepath.Join(t.root, "bin", "go"), args...)
	cmd.Env = append(os.Environ(), "GOROOT="+t.root, "GOTOOLCHAIN=local")
	return cmd
}
