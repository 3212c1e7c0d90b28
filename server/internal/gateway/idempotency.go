package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/tusserver"
	"github.com/soundextract/sx/server/sx"
)

const (
	// maxKeys is how many keys are kept for each user, in about 3 MB.
	maxKeys = 10_000
	// reservation is how long a key is reserved for the request that creates its job. The
	// request takes less, unless its process was stopped.
	reservation = time.Minute
	keyRetry    = 2 * time.Second
	// abandoned is how long no bytes of a whole file arrive before the request that sends
	// it is known to have ended with its process: longer than a request may stall.
	abandoned = 2 * time.Minute
	// keyRemovalInterval is the time between two removals of expired keys.
	keyRemovalInterval = time.Hour
	// releaseTimeout bounds the last change of a key whose client may have disconnected.
	releaseTimeout = 5 * time.Second
)

// keyPattern permits the characters of an RFC 9651 string that need no escape, except the
// space.
var keyPattern = regexp.MustCompile(`^[!#-\[\]-~]{1,255}$`)

// creation is what uploads.Create must know of its request.
type creation struct {
	keys  []string // the headers with the idempotency key
	whole bool     // the request has the whole file
}

type creationKey struct{}

func withKey(r *http.Request, whole bool) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), creationKey{}, creation{r.Header.Values(api.HeaderIdempotencyKey), whole}))
}

func creationOf(ctx context.Context) creation {
	c, _ := ctx.Value(creationKey{}).(creation)
	return c
}

// idempotencyKey returns the key of the request; "" if it has none. The draft requires
// quotes, which many clients leave out.
func idempotencyKey(ctx context.Context) (string, error) {
	values := creationOf(ctx).keys
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(key) > 1 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = key[1 : len(key)-1]
	}
	if len(values) > 1 || !keyPattern.MatchString(key) {
		return "", sx.NewError(sx.CodeInvalid, "the header %s is not a valid key", api.HeaderIdempotencyKey).
			WithHint("send one key of 1 to 255 printable ASCII characters without spaces, quotes and backslashes, such as a UUID")
	}
	return key, nil
}

// createUpload serves requests of the tus extension creation.
func (s *Service) createUpload(w http.ResponseWriter, r *http.Request) error {
	return s.uploads.Create(w, withKey(r, false))
}

// requestDigest identifies what a creation asks for.
func requestDigest(ctx context.Context, size int64, metadata map[string]string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%t %d %s", creationOf(ctx).whole, size, tus.EncodeMetadata(metadata)))
	return hex.EncodeToString(sum[:])
}

// createOnce creates the upload of a request with a key, unless an earlier one has.
func (s uploads) createOnce(ctx context.Context, j sx.Job, key, request string) (tusserver.Upload, error) {
	k, earlier, err := s.reserve(ctx, sx.IdempotencyKey{
		Owner: j.Owner, Key: key, Request: request, JobID: j.ID, Expires: s.cfg.Now().Add(sx.KeyLifetime),
	})
	if err != nil {
		return tusserver.Upload{}, err
	}
	if earlier != "" {
		return s.created(ctx, earlier)
	}
	u, err := s.create(ctx, j)
	if err != nil {
		s.releaseKey(ctx, k)
		return u, err
	}
	// If the client has disconnected, its next request finds the job, and needs no
	// reservation to end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	k.Done = true
	switch err := s.cfg.IdempotencyKeys.Replace(ctx, k); {
	case errors.Is(err, store.ErrStale): // this took longer than the reservation
		if err := s.removeLocked(ctx, j.ID); err != nil {
			s.cfg.Log.WarnContext(ctx, "upload of a repeated request not removed; it will expire", "job", j.ID, "error", err)
		}
		return tusserver.Upload{}, errKeyInUse()
	case err != nil && sx.CodeOf(err) != sx.CodeNotFound:
		s.cfg.Log.WarnContext(ctx, "idempotency key not stored; a repeated request finds the job", "job", j.ID, "error", err)
	}
	return u, nil
}

// reserve stores a new key, or returns the job that an earlier request with the key has
// created.
func (s uploads) reserve(ctx context.Context, k sx.IdempotencyKey) (reserved sx.IdempotencyKey, earlier string, err error) {
	err = s.cfg.IdempotencyKeys.Create(ctx, k, maxKeys)
	if sx.CodeOf(err) != sx.CodeConflict {
		k.Rev = 1
		return k, "", err
	}
	known, err := s.cfg.IdempotencyKeys.Get(ctx, k.Owner, k.Key)
	switch now := s.cfg.Now(); {
	case sx.CodeOf(err) == sx.CodeNotFound: // released meanwhile
		return k, "", errKeyInUse()
	case err != nil:
		return k, "", err
	case !now.Before(known.Expires):
	case known.Request != k.Request:
		return k, "", sx.NewError(sx.CodeKeyReused, "the idempotency key was sent with another request before")
	case !known.Done && store.Ahead(now, known.Expires.Add(reservation-sx.KeyLifetime), reservation):
		return k, "", errKeyInUse()
	default:
		if free, err := s.endedWithProcess(ctx, known); err != nil || !free {
			return k, known.JobID, err
		}
	}
	k.Rev = known.Rev
	err = s.cfg.IdempotencyKeys.Replace(ctx, k)
	if errors.Is(err, store.ErrStale) || sx.CodeOf(err) == sx.CodeNotFound {
		err = errKeyInUse()
	}
	k.Rev++
	return k, "", err
}

// endedWithProcess reports whether the process that reserved the key was stopped before it
// had created the job, or before it had received a whole file. In the latter case it
// removes what has arrived of the file.
func (s uploads) endedWithProcess(ctx context.Context, k sx.IdempotencyKey) (bool, error) {
	u, err := s.Get(ctx, k.JobID)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound, sx.CodeOf(err) == sx.CodeUploadExpired:
		return !k.Done, nil
	case err != nil || !creationOf(ctx).whole || u.Offset == u.Size:
		return false, err
	case s.cfg.Now().Sub(u.Expires.Add(-s.cfg.UploadLifetime)) < abandoned:
		return false, errKeyInUse()
	}
	release, err := s.locks.Lock(ctx, k.JobID)
	if err != nil {
		return false, err
	}
	defer release()
	return true, s.remove(ctx, k.JobID)
}

func errKeyInUse() error {
	return sx.NewError(sx.CodeKeyInUse, "another request with this idempotency key is being processed").WithRetryAfter(keyRetry)
}

// created returns the upload that an earlier request created.
func (s uploads) created(ctx context.Context, id string) (tusserver.Upload, error) {
	u, err := s.Get(ctx, id)
	if sx.CodeOf(err) == sx.CodeNotFound {
		err = sx.NewError(sx.CodeNotFound, "the job that this idempotency key created was removed").
			WithHint("send another key to create a job")
	}
	return u, err
}

// releaseKey makes a key usable again whose request has created nothing.
func (s *Service) releaseKey(ctx context.Context, k sx.IdempotencyKey) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := s.cfg.IdempotencyKeys.Delete(ctx, k); err != nil {
		s.cfg.Log.WarnContext(ctx, "idempotency key not released; its reservation ends by itself", "error", err)
	}
}

// forgetKey releases the key of a request whose job was removed because its file has not
// arrived.
func (s *Service) forgetKey(ctx context.Context, id string) {
	key, err := idempotencyKey(ctx)
	if key == "" || err != nil {
		return
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	k, err := s.cfg.IdempotencyKeys.Get(bounded, owner(ctx), key)
	if err == nil && k.JobID == id {
		s.releaseKey(ctx, k)
	}
}

// removeExpiredKeys removes expired idempotency keys, the first time immediately, until ctx
// ends.
func (s *Service) removeExpiredKeys(ctx context.Context) {
	retry := periodic.Retry{Log: s.cfg.Log, Doing: "removing expired idempotency keys", Every: keyRemovalInterval}
	for retry.Sleep(ctx, s.cfg.IdempotencyKeys.DeleteExpired(ctx, s.cfg.Now())) == nil {
	}
}
