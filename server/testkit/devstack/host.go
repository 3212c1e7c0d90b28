package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
)

// host lends the helpers of tests to a program: it is a testing.TB as far as
// they use it.
type host struct {
	testing.TB // nil: only the methods below are there
	ctx        context.Context
	log        io.Writer
	cleanups   []func()
	failed     bool
}

// fatal is what Fatalf ends the run with.
type fatal struct{}

// hosted calls run, then what it left to clean up, and gives the exit code.
// run's waiting ends with ctx.
func hosted(ctx context.Context, log io.Writer, run func(*host)) int {
	h := &host{ctx: ctx, log: log}
	h.guard(func() { run(h) })
	for len(h.cleanups) > 0 { // the last first
		last := h.cleanups[len(h.cleanups)-1]
		h.cleanups = h.cleanups[:len(h.cleanups)-1]
		h.guard(last)
	}
	if h.failed && ctx.Err() == nil {
		return 1
	}
	return 0
}

// guard calls fn, which may end by Fatalf.
func (h *host) guard(fn func()) {
	defer func() {
		if cause := recover(); cause != nil && cause != any(fatal{}) {
			panic(cause)
		}
	}()
	fn()
}

func (h *host) Helper()                  {}
func (h *host) Context() context.Context { return h.ctx }
func (h *host) Cleanup(fn func())        { h.cleanups = append(h.cleanups, fn) }
func (h *host) Failed() bool             { return h.failed }

func (h *host) Logf(format string, args ...any) { _, _ = fmt.Fprintf(h.log, format+"\n", args...) }

func (h *host) Errorf(format string, args ...any) {
	h.failed = true
	h.Logf("error: "+format, args...)
}

func (h *host) Fatalf(format string, args ...any) {
	h.Errorf(format, args...)
	panic(fatal{})
}

func (h *host) Fatal(args ...any) { h.Fatalf("%s", fmt.Sprint(args...)) }

func (h *host) TempDir() string {
	dir, err := os.MkdirTemp("", "sx-stack-")
	if err != nil {
		h.Fatalf("make a folder: %v", err)
	}
	h.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
