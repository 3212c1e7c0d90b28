package api

import "github.com/soundextract/sx/server/sx"

// FromJob converts a job to its wire format. stored is the number of bytes stored;
// it is used only while the job is uploading.
func FromJob(j sx.Job, stored int64) Job {
	out := Job{
		ID: j.ID, Name: j.Sent.Name, State: j.State, Progress: j.Progress,
		Remaining: j.Remaining.Seconds(), Attempt: j.Attempt,
		Created: j.Created.UTC(), Updated: j.Updated.UTC(),
		Options: FromOptions(j.Options), Sent: Sent(j.Sent), Sources: []Source{}, Tracks: []Track{},
		Labels: append([]string{}, j.Labels...), Warnings: []Warning{},
	}
	if j.State == sx.StateUploading && j.Sent.Size > 0 {
		out.Progress = 100 * float64(stored) / float64(j.Sent.Size)
	}
	if j.Error != nil {
		e := FromError(j.Error)
		out.Error = &e
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
	return User{ID: u.ID, Name: u.Name, Admin: u.Admin, Disabled: u.Disabled, Created: u.Created.UTC()}
}
