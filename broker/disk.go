package broker

import "github.com/rocketflow-io/rocketflow/broker/internal/journal"

// A Disk is where [Options].Dir can be instead of the files of the system: see brokertest.NewDisk.
type Disk = journal.FS

// OnDisk gives the options with Dir on a disk.
func (o Options) OnDisk(d Disk) Options {
	o.journal.FS = d
	return o
}
