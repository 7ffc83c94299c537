package thirdparty_test

import (
	"testing"
	"time"

	"github.com/rocketflow-io/rocketflow/flow/stage/stagetest"
	"github.com/rocketflow-io/rocketflow/test/thirdparty"
)

func TestMailbox_KeepsTheContract(t *testing.T) {
	stagetest.Source(t, func(*testing.T) stagetest.SourceSetup[string] {
		values := []string{"a", "b", "c", "d"}
		box := thirdparty.NewMailbox[string](time.Minute)
		box.Put(values...)
		box.Seal()
		return stagetest.SourceSetup[string]{Source: box, Values: values}
	}, stagetest.InBubble())
}

func TestLedger_KeepsTheContract(t *testing.T) {
	stagetest.Sink(t, func(*testing.T) stagetest.SinkSetup[string] {
		ledger := thirdparty.NewLedger(refusing("poison", -1))
		return stagetest.SinkSetup[string]{
			Sink: ledger, Values: []string{"a", "b", "c", "d"}, Written: ledger.Entries,
			Poison: func() string { return "poison" },
		}
	}, stagetest.InBubble())
}
