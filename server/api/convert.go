package api

import "github.com/soundextract/sx/server/sx"

// FromJob brings a job to its wire form. stored is how many bytes of the video
// are there; it matters only while the job is uploading.
func FromJob(j sx.Job, stored int64) Job {
	out := Job{
		ID: j.ID, Name: j.Sent.Name, State: j.State, Progress: j.Progress,
		Remaining: j.Remaining.Seconds(), Attempt: j.Attempt,
		Created: j.Created.UTC(), Updated: j.Updated.UTC(),
		Sent: File(j.Sent), Sources: []File{}, Tracks: []Track{},
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
		out.Sources = append(out.Sources, File(f))
	}
	for _, t := range j.Tracks {
		out.Tracks = append(out.Tracks, Track{
			Number: t.Number, Name: t.Name, Size: t.Size, SHA256: t.SHA256, Duration: t.Duration.Seconds(),
		})
	}
	for _, w := range j.Warnings {
		out.Warnings = append(out.Warnings, Warning(w))
	}
	return out
}

// FromUser brings an account to its wire form.
func FromUser(u sx.User) User {
	return User{ID: u.ID, Name: u.Name, Admin: u.Admin, Disabled: u.Disabled, Created: u.Created.UTC()}
}
