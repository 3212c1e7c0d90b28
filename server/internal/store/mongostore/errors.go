package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/soundextract/sx/server/sx"
)

// Error codes of MongoDB, from its error_codes.yml.
const (
	codeInternalError        = 1
	codeUnknownError         = 8
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeMechanismUnavailable = 334
	codeOutOfDiskSpace       = 14031
)

// transientCodes are the codes by which a server reports that it cannot serve requests
// at the moment: it is starting, stopping, no longer the primary, or too slow.
var transientCodes = []int{
	6,     // HostUnreachable
	7,     // HostNotFound
	24,    // LockTimeout
	50,    // MaxTimeMSExpired
	64,    // WriteConcernTimeout
	89,    // NetworkTimeout
	91,    // ShutdownInProgress
	112,   // WriteConflict
	133,   // FailedToSatisfyReadPreference
	189,   // PrimarySteppedDown
	202,   // NetworkInterfaceExceededTimeLimit
	262,   // ExceededTimeLimit
	9001,  // SocketException
	10107, // NotWritablePrimary
	11600, // InterruptedAtShutdown
	11602, // InterruptedDueToReplStateChange
	13435, // NotPrimaryNoSecondaryOk
	13436, // NotPrimaryOrSecondary
}

// diskFullMessages are in the errors of servers that report a full disk without
// codeOutOfDiskSpace: MongoDB passes on the operating system's message, Atlas has
// quotas, and compatible services are built on other databases.
var diskFullMessages = []string{"No space left on device", "disk is full", "space quota"}

// wrapError gives an error its code. An *sx.Error keeps the one that it has.
// ctx is the caller's: when it has ended, its error is returned unchanged,
// while a timeout set in this package means that MongoDB does not respond.
func wrapError(ctx context.Context, doing string, err error) error {
	var e *sx.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case diskFull(err):
		return sx.NewError(sx.CodeStorageFull, "the server's disk is full").WithCause(fmt.Errorf("%s: %w", doing, err))
	case unavailable(err):
		return sx.NewError(sx.CodeUnavailable, "the database cannot be reached").WithCause(fmt.Errorf("%s: %w", doing, err))
	case hasCode(err, codeInternalError, codeUnknownError):
		// The request is not to blame, and has a chance when it is repeated.
		return sx.NewError(sx.CodeUnavailable, "the database failed").WithCause(fmt.Errorf("%s: %w", doing, err))
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

func hasCode(err error, codes ...int) bool {
	var s mongo.ServerError
	return errors.As(err, &s) && slices.ContainsFunc(codes, s.HasErrorCode)
}

func diskFull(err error) bool {
	var s mongo.ServerError
	return errors.As(err, &s) && (s.HasErrorCode(codeOutOfDiskSpace) || slices.ContainsFunc(diskFullMessages, s.HasErrorMessage))
}

// deadlock reports whether the server ended the operation because it and another
// operation waited for each other.
func deadlock(err error) bool {
	var s mongo.ServerError
	return errors.As(err, &s) && s.HasErrorMessage("deadlock")
}

func unavailable(err error) bool {
	var s mongo.ServerError
	if errors.As(err, &s) {
		return mongo.IsNetworkError(err) || mongo.IsTimeout(err) || hasCode(err, transientCodes...) ||
			s.HasErrorLabel("RetryableWriteError")
	}
	// An error that does not come from a server comes from the connection to it.
	var m mongo.MarshalError
	return !errors.As(err, &m)
}
