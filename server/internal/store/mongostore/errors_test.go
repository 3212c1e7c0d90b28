package mongostore

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/soundextract/sx/server/sx"
)

// TestWrapError covers errors of MongoDB that tests cannot provoke.
func TestWrapError(t *testing.T) {
	t.Parallel()
	command := func(code int32, message string) error { return mongo.CommandError{Code: code, Message: message} }
	for _, c := range []struct {
		name string
		err  error
		want sx.Code
	}{
		{"an election", command(10107, "not primary"), sx.CodeUnavailable},
		{"a shutdown", command(11600, "interrupted at shutdown"), sx.CodeUnavailable},
		{"a write that the majority has not acknowledged", mongo.WriteException{
			WriteConcernError: &mongo.WriteConcernError{Code: 64, Message: "waiting for replication timed out"},
		}, sx.CodeUnavailable},
		{"an error that the server labels as retryable", mongo.CommandError{Code: 1, Labels: []string{"RetryableWriteError"}}, sx.CodeUnavailable},
		{"a failure inside of the server", command(1, "database is locked"), sx.CodeUnavailable},
		{"an unknown failure of the server", command(8, "unknown error"), sx.CodeUnavailable},
		{"a closed store", mongo.ErrClientDisconnected, sx.CodeUnavailable},
		{"a full disk", command(14031, "out of disk space"), sx.CodeStorageFull},
		{"a full disk, in the words of the system", command(1, "write: No space left on device"), sx.CodeStorageFull},
		{"a quota of Atlas", command(8000, "you are over your space quota"), sx.CodeStorageFull},
		{"an *sx.Error", sx.NewError(sx.CodeNotFound, "no"), sx.CodeNotFound},
		{"an unknown command", command(59, "no such command"), sx.CodeInternal},
		{"a document that cannot be encoded", mongo.MarshalError{Err: errors.New("no encoder")}, sx.CodeInternal},
	} {
		if err := wrapError(t.Context(), "testing", c.err); sx.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want code %s", c.name, err, c.want)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wrapError(over, "testing", context.Canceled); !errors.Is(err, context.Canceled) || sx.CodeOf(err) != sx.CodeInternal {
		t.Errorf("the end of the caller's ctx became %v", err)
	}
	if err := wrapError(t.Context(), "testing", context.DeadlineExceeded); sx.CodeOf(err) != sx.CodeUnavailable {
		t.Errorf("the timeout of an operation became %v", err)
	}
}

func TestDeadlock(t *testing.T) {
	t.Parallel()
	err := wrapError(t.Context(), "testing", mongo.CommandError{Code: 1, Message: "Deadlock detected: deadlock detected"})
	if !deadlock(err) || deadlock(wrapError(t.Context(), "testing", mongo.CommandError{Code: 1, Message: "no"})) || deadlock(nil) {
		t.Error("a deadlock is not distinguished from other errors")
	}
}

// TestAccessError has no MongoDB: the stand-in has no users.
func TestAccessError(t *testing.T) {
	t.Parallel()
	for code, want := range map[int32]sx.Code{
		codeAuthenticationFailed: sx.CodeInvalid,
		codeMechanismUnavailable: sx.CodeInvalid,
		codeUnauthorized:         sx.CodeInvalid,
		59:                       sx.CodeInternal,
	} {
		err := accessError(Config{Database: "sx"}, wrapError(t.Context(), "testing", mongo.CommandError{Code: code}))
		if sx.CodeOf(err) != want {
			t.Errorf("error %d of MongoDB became %v, want code %s", code, err, want)
		}
	}
}
