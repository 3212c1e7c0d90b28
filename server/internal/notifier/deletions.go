package notifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/periodic"
	"github.com/soundextract/sx/server/sx"
)

const (
	// announceBatch is how many jobs are announced in a round.
	announceBatch = 256
	// digestDelay is how long a digest waits for more jobs before it is sent.
	digestDelay = 10 * time.Minute
)

// announceDeletions tells owners that jobs will be deleted with their MP3s, until ctx
// ends: in one delivery for each channel and day, whose ID is derived from both.
func (s *Service) announceDeletions(ctx context.Context) {
	retry := periodic.Retry{Log: s.cfg.Log, Doing: "announcing deletions", Every: s.cfg.ReconcileInterval}
	for retry.Sleep(ctx, s.announceDue(ctx)) == nil {
	}
}

func (s *Service) announceDue(ctx context.Context) error {
	now := s.cfg.Now()
	due, err := s.cfg.Updater.Jobs.Due(ctx, sx.ActionAnnounce, now, announceBatch)
	if err != nil {
		return err
	}
	of := map[string][]sx.Job{}
	for _, j := range due {
		of[j.Owner] = append(of[j.Owner], j)
	}
	for owner, list := range of {
		if err := s.announce(ctx, owner, list, now); err != nil {
			return err
		}
	}
	return nil
}

// announce adds the jobs to today's digest of their owner, and then marks them as
// announced. After a crash in between they are found in the digest. If the digest was
// already sent, they wait for tomorrow's, and are deleted a day later.
func (s *Service) announce(ctx context.Context, owner string, list []sx.Job, now time.Time) error {
	settings, err := s.cfg.NotificationSettings.Get(ctx, owner)
	if err != nil {
		return err
	}
	settings.UserID = owner
	err = s.addToDigests(ctx, settings, list, now)
	sent := errors.Is(err, errDigestSent)
	if err != nil && !sent {
		return err
	}
	for _, j := range list {
		if sent {
			err = s.cfg.Updater.Postpone(ctx, j, now.Truncate(day).Add(day))
		} else {
			_, err = s.cfg.Updater.Update(ctx, j.ID, func(j *sx.Job) error { return j.MarkAnnounced(now) })
		}
		if err != nil && !jobs.IsStale(err) {
			return err
		}
	}
	if !sent {
		s.cfg.Log.InfoContext(ctx, "deletions announced", "owner", owner, "jobs", len(list))
	}
	return nil
}

var errDigestSent = errors.New("today's digest was sent")

// addToDigests adds the jobs to the digests of all channels of the owner, or to none and
// returns errDigestSent.
func (s *Service) addToDigests(ctx context.Context, settings sx.NotificationSettings, list []sx.Job, now time.Time) error {
	digests := s.newDeliveries(settings)
	for i := range digests {
		d := &digests[i]
		d.ID, d.Event, d.Due = sx.DigestID(settings.UserID, now, d.ChannelID()), sx.EventDeletion, now.Add(digestDelay)
		stored, err := s.cfg.Deliveries.Get(ctx, d.ID)
		switch {
		case sx.CodeOf(err) == sx.CodeNotFound:
		case err != nil:
			return err
		case stored.State != sx.DeliveryPending || stored.Tries > 0:
			return errDigestSent
		default:
			*d = stored
		}
	}
	for _, d := range digests {
		if err := s.addToDigest(ctx, d, list, now); err != nil {
			return err
		}
	}
	return nil
}

// addToDigest stores the delivery with the jobs that it does not name yet. If another
// notifier changes it at the same time, the next round adds them.
func (s *Service) addToDigest(ctx context.Context, d sx.Delivery, list []sx.Job, now time.Time) error {
	event := api.WebhookEvent{Type: sx.EventDeletion, Timestamp: now.UTC(), Data: api.EventData{Deletion: &api.Deletion{}}}
	if d.Rev > 0 {
		if err := json.Unmarshal(d.Payload, &event); err != nil || event.Data.Deletion == nil {
			return fmt.Errorf("decode the digest %s: %w", d.ID, err)
		}
	}
	digest, before := event.Data.Deletion, event.Data.Deletion.Total
	for _, j := range list {
		if slices.ContainsFunc(digest.Jobs, func(named api.DeletedJob) bool { return named.ID == j.ID }) {
			continue
		}
		digest.Total++
		if len(digest.Jobs) < api.MaxAnnounced {
			digest.Jobs = append(digest.Jobs, api.DeletedJob{ID: j.ID, Name: j.Sent.Name, DeleteAt: j.DeletionToAnnounce(now).UTC()})
		}
	}
	if digest.Total == before {
		return nil
	}
	var err error
	if d.Payload, err = json.Marshal(event); err != nil {
		return fmt.Errorf("encode the event: %w", err)
	}
	if d.Rev == 0 {
		return s.cfg.Deliveries.Create(ctx, d)
	}
	return s.cfg.Deliveries.Replace(ctx, d)
}
