package testkit

import (
	"os"
	"os/exec"
	"testing"
)

// The environment variables that the Makefile sets to choose the tests to run.
const (
	// EnvAll makes a test fail, instead of being skipped, where something that it
	// needs is missing: make test sets it.
	EnvAll = "SX_TEST_ALL"
	// EnvLong includes the tests that take hours: make test-long sets it.
	EnvLong = "SX_TEST_LONG"
)

// Need is called first by a test that needs other programs than Go. With -short
// (make check) such a test is skipped; else it is skipped where a program is missing
// from PATH, but with EnvAll (make test) it fails then.
func Need(tb testing.TB, programs ...string) {
	tb.Helper()
	SkipShort(tb)
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			Missing(tb, program+" is not installed")
		}
	}
}

// SkipShort skips a test that takes more than Go, or long, with -short (make check).
func SkipShort(tb testing.TB) {
	tb.Helper()
	if testing.Short() && !All() {
		tb.Skip("skipped by -short: make test runs it")
	}
}

// Missing skips the test for the reason given. With EnvAll (make test) it fails.
func Missing(tb testing.TB, reason string) {
	tb.Helper()
	if All() {
		tb.Fatalf("%s; make deps installs what the tests need", reason)
	}
	tb.Skipf("%s; make deps installs what the tests need", reason)
}

// All reports whether all tests must run: EnvAll is set.
func All() bool { return os.Getenv(EnvAll) != "" }

// IsLong reports whether tests may take hours: EnvLong is set. A test that has a
// short form too asks it how much to do.
func IsLong() bool { return os.Getenv(EnvLong) != "" }

// Long skips a test that takes hours, unless IsLong (make test-long).
func Long(tb testing.TB) {
	tb.Helper()
	if !IsLong() {
		tb.Skip("takes long: make test-long runs it")
	}
}
