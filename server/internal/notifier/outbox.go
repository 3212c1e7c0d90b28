package notifier

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/sx"
)

// tell makes the deliveries of a job that has ended, one for each channel of its
// owner, and then records that the owner is told. A crash in between makes none
// a second time, because their ids are the same then.
func (s *Service) tell(ctx context.Context, id string) error {
	j, err := s.cfg.Updater.Jobs.Get(ctx, id)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		return nil // removed by its owner, who needs no notice
	case err != nil:
		return err
	case j.Notification != sx.NotificationPending:
		return nil // an outdated message
	}
	if err := s.deliverEnd(ctx, j); err != nil {
		return err
	}
	_, err = s.cfg.Updater.Update(ctx, id, func(j *sx.Job) error { return j.MarkNotified(s.cfg.Updater.Now()) })
	if jobs.IsStale(err) {
		return nil // tried again or removed by its owner in the meantime
	}
	if err == nil {
		s.logEnd(ctx, j)
	}
	return err
}

func (s *Service) deliverEnd(ctx context.Context, j sx.Job) error {
	contact, err := s.cfg.NotificationSettings.Get(ctx, j.Owner)
	if err != nil {
		return err
	}
	event := sx.EventDone
	if j.State == sx.StateFailed {
		event = sx.EventFailed
	}
	wire := api.FromJob(j, 0)
	payload, err := json.Marshal(api.WebhookEvent{Type: event, Timestamp: j.Updated.UTC(), Data: api.EventData{Job: &wire}})
	if err != nil {
		return fmt.Errorf("encode the event: %w", err)
	}
	for _, d := range s.channels(contact) {
		channel := d.WebhookID
		if channel == "" {
			channel = string(d.Channel)
		}
		d.ID, d.JobID, d.Event, d.Payload = sx.DeliveryID(j.ID, j.Attempt, channel), j.ID, event, payload
		err := s.cfg.Deliveries.Create(ctx, d)
		if err != nil && sx.CodeOf(err) != sx.CodeConflict { // made before a crash
			return err
		}
	}
	s.poke()
	return nil
}

// channels gives a delivery for each of the user's channels that is in use,
// still without its id and what it tells.
func (s *Service) channels(c sx.NotificationSettings) []sx.Delivery {
	now := s.cfg.Now()
	made := sx.Delivery{UserID: c.UserID, State: sx.DeliveryPending, Due: now, Created: now, Updated: now}
	var list []sx.Delivery
	if c.Email != "" && s.mail != nil {
		d := made
		d.Channel, d.Target = sx.ChannelEmail, c.Email
		list = append(list, d)
	}
	for _, hook := range c.Webhooks {
		if hook.Disabled.IsZero() {
			d := made
			d.Channel, d.WebhookID, d.Target = sx.ChannelWebhook, hook.ID, hook.URL
			list = append(list, d)
		}
	}
	return list
}

// poke makes send look for what is due at once.
func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func (s *Service) logEnd(ctx context.Context, j sx.Job) {
	attrs := []any{"job", j.ID, "owner", j.Owner, "state", string(j.State)}
	if j.Error != nil {
		attrs = append(attrs, "code", string(j.Error.Code), "reason", j.Error.Message)
	}
	s.cfg.Log.InfoContext(ctx, "job ended", attrs...)
}
