package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"

	"github.com/rocketflow-io/rocketflow/broker"
)

// A process of the benchmark says where it is reached, or that it is ready, in its first line. Then
// it answers each line that it reads with its footprint, until the input ends.

// A footprint is what a process takes.
type footprint struct {
	Heap       int64 // bytes that are alive
	Resident   int64 // bytes of the process in memory, as the system says
	Goroutines int
	Processor  time.Duration // that the process has used
}

// play is what a process of the benchmark does.
func play(ctx context.Context, role string, p pollers, in io.Reader, out io.Writer) error {
	switch role {
	case "broker":
		return playBroker(in, out)
	case "echo":
		return playEcho(in, out)
	case "pollers":
		return p.play(ctx, in, out)
	}
	return fmt.Errorf("bench: no such role: %q", role)
}

// playBroker is a broker with default options, but that its long polls can be as long as clients like.
func playBroker(in io.Reader, out io.Writer) (err error) {
	b, err := broker.Start(broker.Options{AutoCreate: true, Limits: broker.Limits{MaxPolling: time.Hour}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return answer(b.Endpoint(), in, out)
}

func playEcho(in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	v2.RegisterMessagingServiceServer(server, newEcho())
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	err = answer(l.Addr().String(), in, out)
	server.Stop()
	return errors.Join(err, <-served)
}

// answer says the first line and answers those that are read.
func answer(first string, in io.Reader, out io.Writer) error {
	if _, err := fmt.Fprintln(out, first); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		f, err := measureFootprint()
		if err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(f); err != nil {
			return err
		}
	}
	return lines.Err()
}

// measureFootprint measures this process, without what is garbage.
func measureFootprint() (footprint, error) {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return footprint{}, fmt.Errorf("bench: measure the memory of the process, which needs Linux: %w", err)
	}
	fields := strings.Fields(string(statm)) // the second is the resident pages
	if len(fields) < 2 {
		return footprint{}, fmt.Errorf("bench: /proc/self/statm reads %q", statm)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return footprint{}, fmt.Errorf("bench: /proc/self/statm reads %q: %w", statm, err)
	}
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return footprint{}, fmt.Errorf("bench: measure the processor time of the process: %w", err)
	}
	return footprint{
		int64(m.HeapAlloc), pages * int64(os.Getpagesize()), runtime.NumGoroutine(),
		time.Duration(used.Utime.Nano() + used.Stime.Nano()),
	}, nil
}
