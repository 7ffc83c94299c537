package broker

// apart calls f from a goroutine of its own, and returns when that has. A goroutine keeps the stack
// that it once needed for as long as it waits, and thousands of calls may wait: so what is deep and
// comes before a long wait happens apart, and the goroutine that waits stays small.
func apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
