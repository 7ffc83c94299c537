package pebble

import (
	"fmt"
	"log/slog"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// DefaultCache is how many bytes of blocks are cached in memory: enough that the keys that are used
// often are not read from disk.
const DefaultCache = 64 << 20

// memTables is how many tables may be in memory, of which all but one are being written to the disk.
const memTables = 4

// Option sets how a store is opened.
type Option func(*config)

type config struct {
	cache  int64
	log    *slog.Logger
	memory uint64 // bytes of writes in memory before they are written to a table
	fs     vfs.FS // in tests another than the disk
}

// WithCache sets how many bytes of blocks are cached in memory: [DefaultCache] by default. The versions of
// entries that were read may take about an eighth of that besides.
func WithCache(bytes int64) Option { return func(c *config) { c.cache = bytes } }

// WithLogger sets where the store tells of what its calls do not return: failures of its work in the
// background, which it tries again. By default it tells no one.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// openDB opens the database, tuned for many small keys that are looked up more often than they are
// there: filters, which take 10 bits a key, spare nearly all reads of what is absent.
func openDB(s *Store, c *config) (*db.DB, error) {
	opts := &db.Options{
		FS: s.files,
		// The newest format lets a reader of the log tell damage from the end that a crash left.
		FormatMajorVersion: db.FormatNewest,
		// What is in memory before it is written to a table counts as cached.
		CacheSize:                   c.cache + memTables*int64(c.memory),
		MemTableSize:                c.memory,
		MemTableStopWritesThreshold: memTables,
		Logger:                      logger{c.log},
		EventListener: &db.EventListener{
			// Damage is the error of who reads; it does not end the process.
			DataCorruption: func(info db.DataCorruptionInfo) {
				c.log.Error("a file is damaged", "file", info.Path, "error", info.Details)
			},
			FlushEnd: func(db.FlushInfo) {
				select {
				case s.flushed <- struct{}{}:
				default: // it is to be seen to already
				}
			},
		},
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	var opened *db.DB
	err := safely("open", func() (err error) {
		opened, err = db.Open(s.dir, opts)
		return err
	})
	return opened, err
}

// logger takes what the database tells. Of what it cannot go on after it expects that the logger does
// not return; that becomes an error of the call, or ends the process where there is none.
type logger struct{ log *slog.Logger }

func (l logger) Infof(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l logger) Errorf(format string, args ...any) { l.log.Error(fmt.Sprintf(format, args...)) }

func (l logger) Fatalf(format string, args ...any) {
	err := fatalError{fmt.Sprintf(format, args...)}
	l.log.Error(err.Error())
	panic(err)
}

// fatalError is what the database cannot go on after.
type fatalError struct{ said string }

func (e fatalError) Error() string { return e.said }

// safely calls the database. What it cannot go on after is an error.
func safely(what string, f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case fatalError:
			err = fmt.Errorf("state/pebble: %s: %w", what, p)
		default:
			panic(p)
		}
	}()
	return f()
}
