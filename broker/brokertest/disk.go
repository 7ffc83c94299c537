package brokertest

import (
	"math/rand/v2"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal"
	"github.com/rocketflow-io/rocketflow/broker/internal/journal/crashfs"
)

// A Disk is files in memory for a broker that keeps what it holds, to test what a crash leaves of it:
//
//	disk := brokertest.NewDisk()
//	b, err := broker.Start(broker.Options{InMemory: true, Dir: "broker"}.OnDisk(disk))
//	…
//	disk = disk.Crash(seed) // the machine is gone
//	_ = b.Close()           // which can write nothing any more
//	b, err = broker.Start(broker.Options{InMemory: true, Dir: "broker"}.OnDisk(disk))
//
// It waits for no device, so it is for bubbles of testing/synctest too.
type Disk struct {
	*crashfs.FS
	beforeSync func()
}

var _ broker.Disk = (*Disk)(nil)

// NewDisk gives an empty disk.
func NewDisk() *Disk { return &Disk{FS: crashfs.New()} }

// BeforeSync lets wait be called whenever a file is to be synced, which takes no time otherwise, as in
// a test in which the machine is to crash in between. It is called before the broker starts.
func (d *Disk) BeforeSync(wait func()) { d.beforeSync = wait }

// Kill gives the disk as another process finds it after the one that uses it was killed: the system
// still does all that it was told to do. For that process nothing works any more.
func (d *Disk) Kill() *Disk { return &Disk{d.FS.Kill(), d.beforeSync} }

// Crash gives the disk as the machine finds it when it is up again after it lost power. What was not
// synced is there or not, in part or with noise in it, as the seed decides. For who uses the disk
// nothing works any more.
func (d *Disk) Crash(seed uint64) *Disk {
	return &Disk{d.Restart(rand.New(rand.NewPCG(seed, 0))), d.beforeSync}
}

// Create makes an empty file, or empties one.
func (d *Disk) Create(name string) (journal.File, error) { return d.file(d.FS.Create(name)) }

// Append opens a file to write behind its first size bytes.
func (d *Disk) Append(name string, size int64) (journal.File, error) {
	return d.file(d.FS.Append(name, size))
}

func (d *Disk) file(f journal.File, err error) (journal.File, error) {
	if err != nil || d.beforeSync == nil {
		return f, err
	}
	return slowFile{f, d.beforeSync}, nil
}

// A slowFile takes its time to sync.
type slowFile struct {
	journal.File
	wait func()
}

// Sync waits, and syncs.
func (f slowFile) Sync() error {
	f.wait()
	return f.File.Sync()
}
