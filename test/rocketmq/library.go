package rocketmq

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
)

// LibraryVariable names the environment variable with the folder that holds, or is to hold, the
// server's jars. Without it they are kept in the user's cache folder.
const LibraryVariable = "ROCKETMQ_LIB"

// Version is the server's version.
const Version = "5.5.0"

//go:embed pom.xml
var pom []byte

// library returns the folder of the server's jars, 102 MB, downloaded by Maven if it is not there.
func library(ctx context.Context, log *slog.Logger) (string, error) {
	dir, err := libraryDir()
	if err != nil {
		return "", err
	}
	if present(dir) {
		return dir, nil
	}
	log.Info("downloading the server, once", "version", Version, "folder", dir)
	return dir, download(ctx, dir)
}

func libraryDir() (string, error) {
	if dir := os.Getenv(LibraryVariable); dir != "" {
		return filepath.Abs(dir)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("rocketmq: find the cache folder: %w: set %s to a folder for the server's jars", err, LibraryVariable)
	}
	return filepath.Join(cache, "rocketflow", "rocketmq-"+Version), nil
}

func present(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "rocketmq-proxy-"+Version+".jar"))
	return err == nil
}

// download fills dir. It works in a folder beside it and renames that at the end, so that dir is
// whole or absent, even if it is cut short or another process does the same.
func download(ctx context.Context, dir string) (err error) {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("rocketmq: find mvn, which downloads the server: %w: "+
			"install Maven 3.6 or later, or set %s to a folder that has the jars", err, LibraryVariable)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("rocketmq: make the folder for the jars: %w", err)
	}
	scratch, err := os.MkdirTemp(filepath.Dir(dir), "download-")
	if err != nil {
		return fmt.Errorf("rocketmq: make the folder for the jars: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := os.WriteFile(filepath.Join(scratch, "pom.xml"), pom, 0o644); err != nil {
		return fmt.Errorf("rocketmq: write the list of jars: %w", err)
	}
	jars := filepath.Join(scratch, "lib")
	cmd := exec.CommandContext(ctx, mvn, "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory="+jars)
	cmd.Dir = scratch
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rocketmq: download the server: %w: see that Maven reaches its repository:\n%s", err, lastLines(out, 20))
	}
	if err := os.Rename(jars, dir); err != nil && !present(dir) {
		return fmt.Errorf("rocketmq: keep the jars: %w: remove the folder if it is not whole", err)
	}
	return nil
}

// lastLines returns the last n lines of text.
func lastLines(text []byte, n int) []byte {
	text = bytes.TrimRight(text, "\n")
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] != '\n' {
			continue
		}
		if n--; n == 0 {
			return text[i+1:]
		}
	}
	return text
}
