package api

import "github.com/soundextract/sx/server/sx"

// FromJob brings a job to its wire form. stored is how many bytes of the video
// are there; it matters only while the job is uploading.
func FromJob(j sx.Job, stored int64) Job {
	out := Job{
		ID: j.ID, Name: j.Video.Name, State: j.State, Progress: j.Progress,
		Remaining: j.Remaining.Seconds(), Attempt: j.Attempt,
		Created: j.Created.UTC(), Updated: j.Updated.UTC(),
		Video: Video{Size: j.Video.Size, SHA256: j.Video.SHA256},
	}
	if j.State == sx.StateUploading && j.Video.Size > 0 {
		out.Progress = 100 * float64(stored) / float64(j.Video.Size)
	}
	if j.Error != nil {
		e := FromError(j.Error)
		out.Error = &e
	}
	if j.Track != nil {
		out.Track = &Track{Size: j.Track.Size, SHA256: j.Track.SHA256, Duration: j.Track.Duration.Seconds()}
	}
	return out
}

// FromUser brings an account to its wire form.
func FromUser(u sx.User) User {
	return User{ID: u.ID, Name: u.Name, Admin: u.Admin, Disabled: u.Disabled, Created: u.Created.UTC()}
}
