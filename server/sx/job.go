package sx

import "time"

// State is the state of a job. docs/architecture.md has a diagram of the states;
// only the method move changes one.
type State string

// The states.
const (
	StateUploading State = "uploading" // not all bytes are stored
	StateQueued    State = "queued"    // waiting for a converter
	StateRunning   State = "running"   // leased by a converter
	StateDone      State = "done"      // the track is stored
	StateFailed    State = "failed"    // Error says why
	StateCancelled State = "cancelled" // cancelled by its owner
	StateExpired   State = "expired"   // the upload was abandoned
)

// States lists all states in the order of a job's life.
func States() []State {
	return []State{
		StateUploading, StateQueued, StateRunning,
		StateDone, StateFailed, StateCancelled, StateExpired,
	}
}

// Final reports whether a job stays in this state unless its owner retries it.
func (s State) Final() bool {
	switch s {
	case StateDone, StateFailed, StateCancelled, StateExpired:
		return true
	default:
		return false
	}
}

// Job is the conversion of one video. Its ID is also the ID of the upload. The
// stored record is authoritative; messages only refer to it.
type Job struct {
	ID      string
	Owner   string // the user's id
	State   State
	Options Options
	Sent    Sent
	// Sources are the user's files from which Sent was made: one, or at most MaxSources in
	// their order if they are joined.
	Sources  []Source
	Tracks   []Track // the results, set when done: one, or at most MaxTracks if it is split
	Labels   []string
	Priority Priority
	Warnings []Warning // what the owner should know about the result
	Error    *Error    // why the job or its last attempt failed

	Progress  float64       // percent of the conversion, 0 to 100
	Remaining time.Duration // estimated remaining time of the conversion; 0 if unknown

	// Attempt counts the claims by converters. It is the fencing token: writes of
	// earlier attempts are rejected.
	Attempt int
	// Reserved is how many bytes of the owner's quota the attempt may produce.
	Reserved int64
	Failures int // attempts that ended with an error that is not permanent
	// LeaseExpirations counts the attempts whose converter was lost.
	LeaseExpirations int
	Worker           string
	Lease            time.Time // when the lease expires
	Attempts         []Attempt // the last MaxAttempts
	// Queued is when the upload was complete or, if that was later, the owner retried the job.
	Queued time.Time
	// Trace is the context of the span that queued the job (W3C Trace Context); "" if there
	// is none.
	Trace     string
	NotBefore time.Time // until when a queued job pauses after a failure; zero if it does not
	// Check is when an upload, a pending notification or the retention of a finished job is
	// checked again.
	Check time.Time
	// Ended is when the job became final; its periods of retention begin then.
	Ended time.Time
	// Announced is the time of deletion that was, or is about to be, announced to the owner
	// of a job with an MP3; zero if none was.
	Announced time.Time
	// VideoDeleted reports that the video of a job that is done was deleted.
	VideoDeleted bool
	Shares       []Share // at most MaxShares

	Notification NotificationState

	Created time.Time
	Updated time.Time
	Rev     int64 // see store.Jobs
}

// Track returns the track with the given number, or nil.
func (j Job) Track(number int) *Track {
	for i := range j.Tracks {
		if j.Tracks[i].Number == number {
			return &j.Tracks[i]
		}
	}
	return nil
}

// maxTrackTexts is how many bytes the titles, artists and albums of all tracks may have, so
// that a record stays small: lists and event streams have many. The tags of the MP3s have
// the whole texts.
const maxTrackTexts = 64 << 10

// cleanTexts makes the texts of the tag, which may come from the video, safe to store
// and display. total is how many tracks the job has.
func (t *Track) cleanTexts(total int) {
	texts := []*string{&t.Title, &t.Artist, &t.Album}
	for _, text := range texts {
		*text = CleanLine(*text, min(MaxTag, maxTrackTexts/(len(texts)*total)))
	}
}

// NotificationState says whether the owner was notified of the job's outcome.
type NotificationState string

// The notification states.
const (
	NotificationNone    NotificationState = ""        // no notification needed
	NotificationPending NotificationState = "pending" // done or failed; notification to be sent
	NotificationSent    NotificationState = "sent"
	// NotificationDeletion: done long ago; the owner to be notified of the deletion
	NotificationDeletion NotificationState = "deletion"
)

// NewUpload describes a file that is about to be uploaded.
type NewUpload struct {
	Source Source // SHA256 is not used; a Size of 0 is that of what is sent
	// Joined are the files that are joined, in their order, of which Name, Size and Sent are
	// used; Source has only the job's name then. nil if there is one file.
	Joined    []Source
	Size      int64 // bytes to be sent
	AudioOnly bool  // see Sent
	Options   Options
	Labels    []string
	Priority  Priority
}

// Clean makes untrusted texts safe to store and display. It returns an Error of code
// invalid that names what is wrong.
func (u *NewUpload) Clean() (err error) {
	if err := u.Options.Check(); err != nil {
		return err
	}
	if err := u.Priority.Check(); err != nil {
		return err
	}
	for _, tag := range []*string{&u.Options.Title, &u.Options.Artist, &u.Options.Album} {
		*tag = CleanTag(*tag)
	}
	if u.Labels, err = Labels(u.Labels); err != nil {
		return err
	}
	u.Source.Name = SourceName(u.Source.Name)
	if u.Joined == nil {
		return u.Source.check(u.AudioOnly)
	}
	if u.Source.Size > 0 || u.Source.Identity != "" {
		return NewError(CodeInvalid, "an upload of joined files cannot have the size or identity of a single source").
			WithHint("specify the size of each file; the server determines the identity")
	}
	return cleanJoined(u.Joined)
}

// CheckSize returns an Error of code invalid if not all that is sent belongs to the files
// that are joined.
func (u NewUpload) CheckSize() error {
	if u.Joined == nil {
		return nil
	}
	var sum int64
	for _, s := range u.Joined {
		sum += s.Sent
	}
	if sum != u.Size {
		return NewError(CodeInvalid, "the upload has %d bytes, but its files have %d", u.Size, sum).
			WithHint("specify how many bytes are sent of each file")
	}
	return nil
}

// NewJob returns a job for a new upload.
func NewJob(owner string, u NewUpload, now time.Time) Job {
	source := u.Source
	source.SHA256 = ""
	if source.Size == 0 || !u.AudioOnly {
		source.Size = u.Size
	}
	sources := []Source{source}
	if u.Joined != nil {
		sources = nil
		for _, s := range u.Joined {
			sources = append(sources, Source{Name: s.Name, Size: s.Size, Sent: s.Sent})
		}
	}
	return Job{
		ID: NewID(), Owner: owner, State: StateUploading, Options: u.Options, Labels: u.Labels, Priority: u.Priority,
		Sent:    Sent{Name: source.Name, Size: u.Size, AudioOnly: u.AudioOnly},
		Sources: sources,
		Created: now, Updated: now, Check: now.Add(UploadCheck),
	}
}
