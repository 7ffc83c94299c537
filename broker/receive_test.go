package broker_test

import (
	"testing"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"github.com/stretchr/testify/require"
)

func TestReceive_GivesWhatWasSent(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one", withTag("A"))
		seen, got := r.pop("G", "N")
		require.Equal(t, []string{"one/1"}, seen)
		sp := got[0].GetSystemProperties()
		require.Equal(t, "A", sp.GetTag())
		require.Equal(t, "F97C5D29941BFB1B2FDAB0874906AB82", sp.GetBodyDigest().GetChecksum())
		require.Equal(t, []v2.Code{v2.Code_OK}, r.ack("G", "N", handles(got...)...))
		time.Sleep(time.Hour)
		r.register()
		seen, _ = r.pop("G", "N")
		require.Empty(t, seen)
	})
}

func TestReceive_DeliversAgainWhatIsNotSettled(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.register()
		r.send("N", "one")
		began := time.Now()
		r.pop("G", "N")
		seen, _ := r.pop("G", "N", polling(20*time.Second))
		require.Equal(t, []string{"one/2"}, seen)
		require.InDelta(t, 12, time.Since(began).Seconds(), 0.3)
	})
}
