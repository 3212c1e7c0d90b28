package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// Add creates a job of the user of Client in the given state; a job that is
// done has the MP3s.
func (s *Server) Add(name string, state sx.State, mp3s ...[]byte) (id string) {
	s.tb.Helper()
	j := sx.NewJob(s.owner, sx.NewUpload{Source: sx.Source{Name: name}, Size: 1000}, time.Now())
	if j.State = state; state == sx.StateDone {
		j.State = sx.StateQueued
	}
	s.check(s.store.Jobs.Create(context.Background(), j))
	if state == sx.StateDone {
		s.Finish(j.ID, mp3s...)
	}
	return j.ID
}

// AddJobs stores jobs unchanged, for the user with the name.
func (s *Server) AddJobs(owner string, jobs ...sx.Job) {
	s.tb.Helper()
	u := s.User(owner)
	for _, j := range jobs {
		j.Owner = u.ID
		s.check(s.store.Jobs.Create(context.Background(), j))
	}
}

// User returns the stored form of an account.
func (s *Server) User(name string) sx.User {
	s.tb.Helper()
	u, err := s.store.Users.ByName(context.Background(), name)
	s.check(err)
	return u
}

// Change changes a job and announces it.
func (s *Server) Change(id string, change func(*sx.Job)) {
	s.tb.Helper()
	_, err := s.updater.Update(context.Background(), id, func(j *sx.Job) error {
		change(j)
		return nil
	})
	s.check(err)
}

// Finish completes a job with MP3s, as a converter does. The title of each of several is its
// content, or Part and its number if that is an MP3 with a tag.
func (s *Server) Finish(id string, mp3s ...[]byte) {
	s.tb.Helper()
	ctx := context.Background()
	j, err := s.store.Jobs.Get(ctx, id)
	s.check(err)
	var tracks []sx.Track
	for i, mp3 := range mp3s {
		t := sx.Track{Number: i + 1, ID: sx.TrackID(id, j.Attempt+1, i+1), Name: sx.MP3Name(j.Sent.Name), Duration: 30 * time.Second}
		if len(mp3s) > 1 {
			t.Title = sx.CleanTag(string(mp3[:min(len(mp3), 20)]))
			if bytes.HasPrefix(mp3, []byte("ID3")) {
				t.Title = fmt.Sprintf("Part %d", i+1)
			}
			t.Name = sx.PartName(j.Sent.Name, i+1, len(mp3s), t.Title)
		}
		digest, err := s.store.Tracks.Put(ctx, t.ID, t.Name, store.Head{}, bytes.NewReader(mp3))
		s.check(err)
		t.Size, t.SHA256 = digest.Size, digest.SHA256
		tracks = append(tracks, t)
	}
	s.Change(id, func(j *sx.Job) {
		j.Attempt++
		j.State, j.Progress, j.Updated, j.Tracks = sx.StateDone, 100, time.Now(), tracks
	})
}

// Forget removes a job with its video and track.
func (s *Server) Forget(id string) {
	s.tb.Helper()
	ctx := context.Background()
	j, err := s.store.Jobs.Get(ctx, id)
	s.check(err)
	s.check(s.store.Videos.Remove(ctx, id))
	s.check(s.store.Jobs.Delete(ctx, j))
	s.check(s.bus.Announce(ctx, id))
}

// Jobs returns all jobs, oldest first.
func (s *Server) Jobs() []api.Job {
	s.tb.Helper()
	list, _, err := s.store.Jobs.List(context.Background(), store.JobFilter{Limit: 1000})
	s.check(err)
	var all []api.Job
	for _, j := range slices.Backward(list) {
		all = append(all, api.FromJob(j, 0))
	}
	return all
}

// Job returns the stored form of a job.
func (s *Server) Job(id string) sx.Job {
	s.tb.Helper()
	j, err := s.store.Jobs.Get(context.Background(), id)
	s.check(err)
	return j
}

// Video returns a complete video, nil if there is none.
func (s *Server) Video(id string) []byte { return s.video(context.Background(), id) }

func (s *Server) video(ctx context.Context, id string) []byte {
	blob, err := s.store.Videos.Open(ctx, id)
	if err != nil {
		return nil
	}
	defer func() { _ = blob.Close() }()
	p, err := io.ReadAll(blob)
	s.check(err)
	return p
}

// EndSessions ends the sessions of the user with the name, and revokes all
// access tokens.
func (s *Server) EndSessions(name string) {
	s.tb.Helper()
	_, err := store.Update(context.Background(), s.User(name).ID, s.store.Users.ByID, s.store.Users.Replace, func(u *sx.User) error {
		u.Epoch++
		return nil
	})
	s.check(err)
	s.RevokeAccess()
}

func (s *Server) check(err error) {
	if err != nil {
		s.tb.Error(err)
	}
}
