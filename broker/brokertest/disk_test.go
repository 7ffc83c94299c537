package brokertest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rocketflow-io/rocketflow/broker"
	"github.com/rocketflow-io/rocketflow/broker/brokertest"
)

func TestDisk_KeepsWhatABrokerHasAnsweredFor(t *testing.T) {
	for name, end := range map[string]func(*brokertest.Disk) *brokertest.Disk{
		"killed":  (*brokertest.Disk).Kill,
		"crashed": func(d *brokertest.Disk) *brokertest.Disk { return d.Crash(1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := brokertest.NewDisk()
				start := func() *broker.Broker {
					b, err := broker.Start(broker.Options{InMemory: true, Dir: "dir"}.OnDisk(disk))
					require.NoError(t, err)
					return b
				}
				b := start()
				require.NoError(t, b.CreateTopic(broker.Topic{Name: "orders"}))
				disk = end(disk)
				require.Error(t, b.CreateTopic(broker.Topic{Name: "later"}))
				require.Error(t, b.Close())
				b = start()
				require.Len(t, b.Topics(), 1)
				require.Equal(t, "orders", b.Topics()[0].Name)
				require.NoError(t, b.Close())
			})
		})
	}
}

func TestDisk_SyncsAfterATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := brokertest.NewDisk()
		disk.BeforeSync(func() { time.Sleep(time.Second) })
		b, err := broker.Start(broker.Options{InMemory: true, Dir: "dir"}.OnDisk(disk))
		require.NoError(t, err)
		begun := time.Now()
		require.NoError(t, b.CreateTopic(broker.Topic{Name: "orders"}))
		require.GreaterOrEqual(t, time.Since(begun), time.Second)
		require.NoError(t, b.Close())
	})
}
