package storebackup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/store/format"
	"github.com/soundextract/sx/server/sx"
)

// Restored is what Restore stored.
type Restored struct {
	backup.Summary
	// Dropped is how many jobs were left out because their owner's account was deleted
	// while the backup was created.
	Dropped int
}

// Restore stores a backup in a store that Empty accepts and that no service uses. A job
// that a converter had claimed waits for one again. keep is called with each file. After an
// error, the store has a part of the backup, and must not be used.
func Restore(ctx context.Context, s store.Store, in io.Reader, keep func(backup.File) error, now func() time.Time) (Restored, error) {
	if err := Empty(ctx, s); err != nil {
		return Restored{}, err
	}
	r, err := backup.NewReader(in)
	if err != nil {
		return Restored{}, err
	}
	decode, err := format.Current().Backup(r.Header.Format, r.Header.Release)
	if err != nil {
		return Restored{}, err
	}
	v := &restorer{ctx: ctx, store: s, keep: keep, decode: decode, now: now, owners: map[string]bool{}}
	defer v.abandon()
	summary, err := r.Visit(v)
	return Restored{summary, v.dropped}, err
}

// Empty returns an *sx.Error of code conflict if the store has jobs, or accounts besides
// the one that an installation begins with.
func Empty(ctx context.Context, s store.Store) error {
	jobs, _, err := s.Jobs.List(ctx, store.JobFilter{Limit: 1})
	if err != nil {
		return err
	}
	users, more, err := s.Users.List(ctx, "", 2)
	if err != nil {
		return err
	}
	videos, _, err := s.Videos.List(ctx, "", 1)
	if err != nil {
		return err
	}
	tracks, _, err := s.Tracks.List(ctx, "", 1)
	if err != nil {
		return err
	}
	var what string
	switch {
	case len(jobs) > 0:
		what = "jobs"
	case len(videos) > 0:
		what = "videos"
	case len(tracks) > 0:
		what = "MP3s"
	case len(users) > 1 || more:
		what = "accounts"
	default:
		return nil
	}
	return sx.NewError(sx.CodeConflict, "the store is not empty: it has %s; a backup is restored only into an empty one", what).
		WithHint("restore into a new data directory or another namespace")
}

// restorer stores the contents of an archive.
type restorer struct {
	ctx    context.Context //nolint:containedctx // that of the one Restore that uses it
	store  store.Store
	keep   func(backup.File) error
	decode format.Change
	now    func() time.Time

	video   string // the one that arrives, "" for none
	offset  int64
	size    int64
	track   *trackPut
	blobs   []backup.Blob // that are stored and belong to the next job
	owners  map[string]bool
	dropped int
}

// trackPut is an MP3 that arrives.
type trackPut struct {
	in   *io.PipeWriter
	done chan error
}

func (v *restorer) File(kind, name string, data []byte) error {
	return v.keep(backup.File{Kind: kind, Name: name, Data: bytes.Clone(data)})
}

func (v *restorer) Begin(s backup.Start) error {
	if !s.Track {
		v.video, v.offset, v.size = s.ID, 0, s.Size
		return v.store.Videos.Create(v.ctx, s.ID, s.Name, s.Size)
	}
	out, in := io.Pipe()
	v.track = &trackPut{in: in, done: make(chan error, 1)}
	go func(done chan error) {
		_, err := v.store.Tracks.Put(v.ctx, s.ID, s.Name, store.Head{}, out)
		_ = out.CloseWithError(err) // ends a Part that waits
		done <- err
	}(v.track.done)
	return nil
}

func (v *restorer) Part(data []byte) error {
	if v.track != nil {
		_, err := v.track.in.Write(data)
		return err
	}
	n, err := v.store.Videos.Append(v.ctx, v.video, v.offset, bytes.NewReader(data))
	v.offset += n
	return err
}

func (v *restorer) End(b backup.Blob) (err error) {
	if v.track != nil {
		_ = v.track.in.Close() // always nil
		err = <-v.track.done
		v.track = nil
	} else if v.offset == v.size {
		_, err = v.store.Videos.Complete(v.ctx, v.video)
	}
	v.blobs = append(v.blobs, b)
	return err
}

// abandon ends an MP3 that arrives after an error.
func (v *restorer) abandon() {
	if v.track != nil {
		_ = v.track.in.CloseWithError(io.ErrUnexpectedEOF)
		<-v.track.done //nolint:errcheck // the MP3 is not used
	}
}

// Job stores a job. What does not belong to it is removed again: what is damaged, and what
// it no longer referred to when it was read.
func (v *restorer) Job(id string, doc backup.Job) error {
	blobs := v.blobs
	v.blobs = nil
	var job sx.Job
	if !doc.Removed {
		if err := v.document(backup.Jobs, id, doc.Job, &job, func() string { return job.ID }); err != nil {
			return err
		}
		known, err := v.hasAccount(job.Owner)
		if err != nil {
			return err
		}
		if !known {
			v.dropped++
			job = sx.Job{}
		}
	}
	for i, b := range blobs {
		belongs := job.HasVideo()
		if b.Track {
			belongs = slices.ContainsFunc(job.Tracks, func(t sx.Track) bool { return t.ID == b.ID })
		}
		if belongs && job.ID != "" && doc.Blobs[i].Damaged == "" {
			continue
		}
		remove := v.store.Videos.Remove
		if b.Track {
			remove = v.store.Tracks.Remove
		}
		if err := remove(v.ctx, b.ID); err != nil {
			return err
		}
	}
	if job.ID == "" {
		return nil
	}
	if job.State == sx.StateRunning {
		if err := job.Release(job.Attempt, v.now()); err != nil {
			return err
		}
	}
	return v.store.Jobs.Create(v.ctx, job)
}

// maxOwners bounds the memory for owners; those of jobs next to each other are often the
// same.
const maxOwners = 10000

// hasAccount reports whether the account is in the store.
func (v *restorer) hasAccount(owner string) (bool, error) {
	known, cached := v.owners[owner]
	if cached {
		return known, nil
	}
	_, err := v.store.Users.ByID(v.ctx, owner)
	if err != nil && sx.CodeOf(err) != sx.CodeNotFound {
		return false, err
	}
	if len(v.owners) >= maxOwners {
		clear(v.owners)
	}
	v.owners[owner] = err == nil
	return err == nil, nil
}

// document decodes a document, in this release's format, whose ID must be that of its name.
func (v *restorer) document(kind, id string, data []byte, doc any, got func() string) error {
	if v.decode != nil {
		fields := map[string]any{}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&fields); err != nil {
			return damaged(kind, id, err)
		}
		v.decode(kind, fields)
		var err error
		if data, err = json.Marshal(fields); err != nil {
			return damaged(kind, id, err)
		}
	}
	if err := json.Unmarshal(data, doc); err != nil {
		return damaged(kind, id, err)
	}
	if got() != id {
		return damaged(kind, id, fmt.Errorf("it has the ID %q", sx.CleanLine(got(), 80)))
	}
	return nil
}

func damaged(kind, id string, err error) error {
	return sx.NewError(sx.CodeBackupDamaged, "the backup is damaged: the document %s of %s cannot be used: %v", id, kind, err)
}

func (v *restorer) Document(kind, id string, data []byte) error {
	s := v.store
	switch kind {
	case backup.Users:
		return put(v, kind, id, data, func(u sx.User) string { return u.ID }, v.user)
	case backup.Invitations:
		return put(v, kind, id, data, func(r sx.Invitation) string { return r.ID }, s.Invitations.Create)
	case backup.Bindings:
		return put(v, kind, id, data, func(r sx.Binding) string { return r.ID }, s.Bindings.Create)
	case backup.PersonalTokens:
		return put(v, kind, id, data, func(r sx.PersonalToken) string { return r.ID }, v.token)
	case backup.Sessions:
		return put(v, kind, id, data, func(r sx.Session) string { return r.ID }, s.Sessions.Create)
	case backup.NotificationSettings:
		return put(v, kind, id, data, func(r sx.NotificationSettings) string { return r.UserID }, func(ctx context.Context, r sx.NotificationSettings) error {
			r.Rev = 0
			return s.NotificationSettings.Replace(ctx, r)
		})
	case backup.Feeds:
		return put(v, kind, id, data, func(r sx.Feeds) string { return r.Owner }, func(ctx context.Context, r sx.Feeds) error {
			r.Rev = 0
			return s.Feeds.Replace(ctx, r)
		})
	case backup.Limits:
		return put(v, kind, id, data, func(r sx.Limits) string { return r.Owner }, func(ctx context.Context, r sx.Limits) error {
			old, err := s.Limits.Get(ctx, r.Owner)
			if err != nil {
				return err
			}
			r.Rev = old.Rev
			return s.Limits.Replace(ctx, r)
		})
	case backup.Audit:
		return put(v, kind, id, data, func(r sx.AuditEntry) string { return r.ID }, s.Audit.Append)
	case backup.Conversions:
		return put(v, kind, id, data, func(sx.Conversion) string { return id }, func(ctx context.Context, r sx.Conversion) error {
			return s.Conversions.Put(ctx, r, math.MaxInt32)
		})
	case backup.Deliveries:
		return put(v, kind, id, data, func(r sx.Delivery) string { return r.ID }, s.Deliveries.Create)
	case backup.Erasures:
		return put(v, kind, id, data, func(r sx.Erasure) string { return r.UserID }, s.Erasures.Create)
	default:
		return damaged(kind, id, fmt.Errorf("this release, %s, does not know the kind", sx.Version))
	}
}

func put[T any](v *restorer, kind, id string, data []byte, idOf func(T) string, store func(context.Context, T) error) error {
	var record T
	if err := v.document(kind, id, data, &record, func() string { return idOf(record) }); err != nil {
		return err
	}
	return store(v.ctx, record)
}

// token stores a token in place of an earlier one of the same name, which was replaced while
// the backup was created.
func (v *restorer) token(ctx context.Context, t sx.PersonalToken) error {
	tokens := v.store.PersonalTokens
	exists := tokens.Create(ctx, t)
	if sx.CodeOf(exists) != sx.CodeConflict {
		return exists
	}
	list, err := tokens.List(ctx, t.UserID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(old sx.PersonalToken) bool { return old.Name == t.Name && old.ID != t.ID })
	if i < 0 {
		return exists
	}
	if err := tokens.Delete(ctx, list[i].ID); err != nil {
		return err
	}
	return tokens.Create(ctx, t)
}

// user stores an account in place of the one of the same name with which the installation
// began, and which has nothing.
func (v *restorer) user(ctx context.Context, u sx.User) error {
	old, err := v.store.Users.ByName(ctx, u.Name)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
	case err != nil:
		return err
	default:
		if err := v.store.Sessions.DeleteOf(ctx, old.ID); err != nil {
			return err
		}
		if err := v.store.Users.Delete(ctx, old.ID); err != nil {
			return err
		}
	}
	return v.store.Users.Create(ctx, u)
}
