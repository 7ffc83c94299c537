package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Patience is how long Open waits for another process to let go of the journal. One that was
// killed does so in a moment; two at a time would count every row twice.
const Patience = 30 * time.Second

// lockPause is how long a try waits after the one before it.
const lockPause = 20 * time.Millisecond

var errInUse = errors.New("another process uses it: wait for that to end, or end it")

// lock takes the file for this process, until it is closed.
func lock(ctx context.Context, f *os.File) error {
	giveUp := time.NewTimer(Patience)
	defer giveUp.Stop()
	tick := time.NewTicker(lockPause)
	defer tick.Stop()
	for {
		taken, err := tryLock(f)
		if taken || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-giveUp.C:
			return errInUse
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errInUse, ctx.Err())
		}
	}
}
