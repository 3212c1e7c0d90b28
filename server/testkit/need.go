package testkit

import (
	"os"
	"os/exec"
	"testing"
)

// The environment variables by which the Makefile selects the tests to run.
const (
	// EnvAll makes a test fail, instead of being skipped, if something that it
	// needs is missing. make test sets it.
	EnvAll = "SX_TEST_ALL"
	// EnvLong includes the tests that take hours. make test-long sets it.
	EnvLong = "SX_TEST_LONG"
)

// Need must be called first by a test that needs programs other than Go. With
// -short (make check), the test is skipped. Otherwise, if a program is missing
// from PATH, the test is skipped, or fails with EnvAll (make test).
func Need(tb testing.TB, programs ...string) {
	tb.Helper()
	SkipShort(tb)
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			Missing(tb, program+" is not installed")
		}
	}
}

// SkipShort skips, with -short (make check), a test that needs more than Go or
// takes long.
func SkipShort(tb testing.TB) {
	tb.Helper()
	if testing.Short() && !All() {
		tb.Skip("skipped by -short: make test runs it")
	}
}

// Missing skips the test with the given reason, or fails it with EnvAll (make
// test).
func Missing(tb testing.TB, reason string) {
	tb.Helper()
	if All() {
		tb.Fatalf("%s; make deps installs what the tests need", reason)
	}
	tb.Skipf("%s; make deps installs what the tests need", reason)
}

// All reports whether all tests must run: EnvAll is set.
func All() bool { return os.Getenv(EnvAll) != "" }

// IsLong reports whether tests may take hours: EnvLong is set. A test that also
// has a short form uses it to decide how much to do.
func IsLong() bool { return os.Getenv(EnvLong) != "" }

// Long skips a test that takes hours unless IsLong (make test-long).
func Long(tb testing.TB) {
	tb.Helper()
	if !IsLong() {
		tb.Skip("takes long: make test-long runs it")
	}
}
