package report

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// refresh is how often a progress bar is drawn.
const refresh = 100 * time.Millisecond

// Progress runs f and meanwhile shows, if w is a terminal, how many rows are done: count gives
// that, and of how many. A total of 0 is not known.
func Progress(w io.Writer, what string, count func() (done, total int), f func() error) error {
	if file, ok := w.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return f()
	}
	return show(w, what, count, f)
}

func show(w io.Writer, what string, count func() (done, total int), f func() error) error {
	bar := progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(fmt.Sprintf("%-10s", what)),
		progressbar.OptionSetWidth(30),
		progressbar.OptionSetItsString("rows"), progressbar.OptionShowIts(), progressbar.OptionShowCount(),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionSetSpinnerChangeInterval(0), // else a goroutine of the bar's own turns it
	)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		draw(bar, count, stop)
	}()
	err := f()
	close(stop)
	<-stopped
	_, _ = io.WriteString(w, "\n") // like the bar
	return err
}

// draw moves the bar until stop is closed. A bar that cannot be drawn is no reason to end a run.
func draw(bar *progressbar.ProgressBar, count func() (done, total int), stop <-chan struct{}) {
	bar.StartWithoutRender()
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-tick.C:
		case <-stop:
			ended = true
		}
		done, total := count()
		if total > 0 && bar.GetMax() != total {
			bar.ChangeMax(total)
		}
		_ = bar.Set(done) // it fails where nothing can be drawn, and the job goes on without
	}
}
