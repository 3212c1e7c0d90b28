package api

import (
	"time"

	"github.com/soundextract/sx/server/sx"
)

// FromJob converts a job to its wire format. stored is the number of bytes stored;
// it is used only while the job is uploading.
func FromJob(j sx.Job, stored int64) Job {
	out := Job{
		ID: j.ID, Name: j.Sent.Name, State: j.State, Progress: j.Progress,
		Remaining: j.Remaining.Seconds(), Attempt: j.Attempt,
		Created: j.Created.UTC(), Updated: j.Updated.UTC(),
		Options: FromOptions(j.Options), Sent: Sent(j.Sent), Sources: []Source{}, Tracks: []Track{},
		Priority: j.Priority, Labels: append([]string{}, j.Labels...), Warnings: []Warning{},
		VideoDeleted: j.VideoDeleted, Error: optionalError(j.Error),
	}
	if j.State == sx.StateUploading && j.Sent.Size > 0 {
		out.Progress = 100 * float64(stored) / float64(j.Sent.Size)
	}
	for _, f := range j.Sources {
		out.Sources = append(out.Sources, Source(f))
	}
	for _, t := range j.Tracks {
		out.Tracks = append(out.Tracks, Track{
			Number: t.Number, Name: t.Name, Size: t.Size, SHA256: t.SHA256, Duration: t.Duration.Seconds(),
			Title: t.Title, Artist: t.Artist, Album: t.Album,
		})
	}
	for _, s := range j.Shares {
		out.Shares = append(out.Shares, FromShare(s))
	}
	for _, w := range j.Warnings {
		out.Warnings = append(out.Warnings, Warning(w))
	}
	return out
}

// FromOptions converts options to their wire format, in which the preset is never
// absent.
func FromOptions(o sx.Options) Options {
	if o.Preset == "" {
		o.Preset = sx.PresetStandard
	}
	return Options(o)
}

// FromUser converts an account to its wire format.
func FromUser(u sx.User) User {
	return User{ID: u.ID, Name: u.Name, Admin: u.Admin, Disabled: u.Disabled, Linked: u.Binding != "", Deleting: u.Erasing, Created: u.Created.UTC()}
}

// WithDeletion returns the job with the times of its deletion.
func (j Job) WithDeletion(d sx.Deletion) Job {
	j.DeleteVideoAt, j.DeleteAt = optional(d.Video), optional(d.Job)
	return j
}

// optional returns nil for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// FromUsage converts what an account uses, and its limits, to their wire format.
func FromUsage(used sx.Usage, l sx.Limits) Usage {
	return Usage{Bytes: used.Bytes, Uploads: used.Uploads, Today: used.Today, Limits: FromLimits(l)}
}

// FromLimits converts limits to their wire format.
func FromLimits(l sx.Limits) Limits {
	return Limits{
		Bytes: l.Bytes, Uploads: l.Uploads, JobsPerDay: l.JobsPerDay,
		KeepVideos: seconds(l.Videos), KeepFailed: seconds(l.Failed), KeepTracks: seconds(l.Tracks),
	}
}

func seconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	n := int64(*d / time.Second)
	return &n
}
