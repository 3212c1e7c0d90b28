package testkit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/testkit"
)

// recorder is a testing.TB that records how a test ended.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.end("failed: " + fmt.Sprintf(format, args...))
}

func (r *recorder) Skipf(format string, args ...any) {
	r.end("skipped: " + fmt.Sprintf(format, args...))
}
func (r *recorder) Skip(args ...any) { r.end("skipped: " + fmt.Sprint(args...)) }

func (r *recorder) end(how string) {
	r.ended = how
	panic(r)
}

// outcome runs a test and returns how it ended, "" if it just returned.
func outcome(t *testing.T, test func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	func() {
		defer func() {
			if cause := recover(); cause != nil && cause != any(r) {
				panic(cause)
			}
		}()
		test(r)
	}()
	return r.ended
}

func TestEventually(t *testing.T) {
	t.Parallel()
	n := 0
	testkit.Eventually(t, "third call", func() bool { n++; return n == 3 })
	got := outcome(t, func(tb testing.TB) {
		testkit.EventuallyWithin(tb, time.Millisecond, "the moon", func() bool { return false }, func() any { return "the sun" })
	})
	if want := "failed: the moon: not within 1ms; last seen: the sun"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	c := testkit.NewClock()
	start := c.Now()
	c.Advance(time.Hour)
	if got := c.Now().Sub(start); got != time.Hour {
		t.Errorf("advanced by %v", got)
	}
	if c.Set(start); !c.Now().Equal(start) {
		t.Errorf("set to %v, shows %v", start, c.Now())
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	log, out := testkit.Logger(t)
	go log.Debug("hello", "to", "you")
	if got := out.Wait(t, "hello"); got["to"] != "you" {
		t.Errorf("got %v", got)
	}
	if got := out.Find(t, "bye"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// TestNeed checks that a missing program skips a test, or fails it if all tests
// must run.
func TestNeed(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "present"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	need := func(tb testing.TB) { testkit.Need(tb, "present", "absent") }
	t.Setenv(testkit.EnvAll, "")
	if got := outcome(t, need); !strings.HasPrefix(got, "skipped: ") {
		t.Errorf("without %s: %q", testkit.EnvAll, got)
	}
	t.Setenv(testkit.EnvAll, "1")
	if got := outcome(t, need); !strings.HasPrefix(got, "failed: absent is not installed") {
		t.Errorf("with %s: %q", testkit.EnvAll, got)
	}
	if got := outcome(t, func(tb testing.TB) { testkit.Need(tb, "present") }); got != "" {
		t.Errorf("with all programs: %q", got)
	}
	for env, want := range map[string]string{"": "skipped: ", "1": ""} {
		t.Setenv(testkit.EnvLong, env)
		if got := outcome(t, testkit.Long); (got == "") != (want == "") {
			t.Errorf("%s=%s: got %q", testkit.EnvLong, env, got)
		}
	}
}

// failing is a testing.TB that records what a test logs, and its failures.
type failing struct {
	testing.TB
	lines []string
	ends  []func()
}

func (f *failing) Cleanup(end func()) { f.ends = append(f.ends, end) }
func (f *failing) Logf(format string, args ...any) {
	f.lines = append(f.lines, fmt.Sprintf(format, args...))
}
func (f *failing) Errorf(format string, args ...any) { f.Logf(format, args...) }
func (f *failing) Error(args ...any)                 { f.Logf("%s", fmt.Sprint(args...)) }

// end runs what is to run at the end of the test.
func (f *failing) end() {
	for _, end := range slices.Backward(f.ends) {
		end()
	}
}

func TestRepeatFailure(t *testing.T) {
	t.Parallel()
	f := &failing{TB: t}
	tb := testkit.RepeatFailure(f)
	tb.Cleanup(func() { tb.Logf("the log of a program") })
	tb.Errorf("the first of %d failures", 2)
	tb.Error("the second one")
	f.end()
	want := []string{
		"the first of 2 failures", "the second one", "the log of a program",
		"the first failure of TestRepeatFailure:\nthe first of 2 failures",
	}
	if !slices.Equal(f.lines, want) {
		t.Errorf("logged %q, want %q", f.lines, want)
	}
	passing := &failing{TB: t}
	testkit.RepeatFailure(passing)
	passing.end()
	if len(passing.lines) > 0 {
		t.Errorf("a test that passes logged %q", passing.lines)
	}
}
