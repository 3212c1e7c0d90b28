package notifier

import (
	"context"

	"github.com/soundextract/sx/server/internal/jobs"
	"github.com/soundextract/sx/server/internal/tracing"
	"github.com/soundextract/sx/server/sx"
)

// notify creates the deliveries of a finished job, one for each channel of its
// owner, and then marks the job as notified. After a crash in between it starts
// again, and creates no delivery twice because their IDs are derived from the job.
func (s *Service) notify(ctx context.Context, id string) error {
	j, err := s.cfg.Updater.Jobs.Get(ctx, id)
	switch {
	case sx.CodeOf(err) == sx.CodeNotFound:
		return nil // removed by its owner, who needs no notification
	case err != nil:
		return err
	case j.Notification != sx.NotificationPending:
		return nil // an outdated message
	}
	if err := s.createDeliveries(ctx, j); err != nil {
		return err
	}
	_, err = s.cfg.Updater.Update(ctx, id, func(j *sx.Job) error { return j.MarkNotified(s.cfg.Updater.Now()) })
	if jobs.IsStale(err) {
		return nil // retried or removed by its owner meanwhile
	}
	if err == nil {
		s.logNotified(ctx, j)
	}
	return err
}

func (s *Service) createDeliveries(ctx context.Context, j sx.Job) error {
	settings, err := s.cfg.NotificationSettings.Get(ctx, j.Owner)
	if err != nil {
		return err
	}
	event := sx.EventDone
	if j.State == sx.StateFailed {
		event = sx.EventFailed
	}
	payload, err := encodeEvent(event, j)
	if err != nil {
		return err
	}
	for _, d := range s.newDeliveries(settings) {
		d.Trace = tracing.Parent(ctx)
		d.ID, d.JobID, d.Event, d.Payload = sx.DeliveryID(j.ID, j.Attempt, d.ChannelID()), j.ID, event, payload
		err := s.cfg.Deliveries.Create(ctx, d)
		if err != nil && sx.CodeOf(err) != sx.CodeConflict { // created before a crash
			return err
		}
	}
	s.wakeSender()
	return s.bound(ctx, j.Owner)
}

// newDeliveries returns a delivery for each enabled channel of the user, without
// ID, event and payload.
func (s *Service) newDeliveries(settings sx.NotificationSettings) []sx.Delivery {
	now := s.cfg.Now()
	template := sx.Delivery{UserID: settings.UserID, State: sx.DeliveryPending, Due: now, Created: now, Updated: now}
	var list []sx.Delivery
	if settings.Email != "" && s.mail != nil {
		d := template
		d.Channel, d.Target = sx.ChannelEmail, settings.Email
		list = append(list, d)
	}
	for _, hook := range settings.Webhooks {
		if hook.Disabled.IsZero() {
			d := template
			d.Channel, d.WebhookID, d.Target = sx.ChannelWebhook, hook.ID, hook.URL
			list = append(list, d)
		}
	}
	return list
}

// wakeSender makes send look for due deliveries immediately.
func (s *Service) wakeSender() {
	select {
	case s.wake <- struct{}{}:
	default: // already woken
	}
}

func (s *Service) logNotified(ctx context.Context, j sx.Job) {
	attrs := []any{"job", j.ID, "owner", j.Owner, "state", string(j.State)}
	if j.Error != nil {
		attrs = append(attrs, "code", string(j.Error.Code), "reason", j.Error.Message)
	}
	s.cfg.Log.InfoContext(ctx, "deliveries of job created", attrs...)
}
