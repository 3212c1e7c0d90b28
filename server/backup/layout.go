package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// The kinds of documents, which are the names of directories in the archive, in their
// order. Jobs have more than documents: see Job.
const (
	Secrets              = "secrets" // files: see AuthKeys
	Values               = "values"  // files: the settings of the installation
	Users                = "users"
	Invitations          = "invitations"
	Bindings             = "bindings"
	PersonalTokens       = "personal_tokens"
	Sessions             = "sessions"
	NotificationSettings = "notification_settings"
	Feeds                = "feeds"
	Limits               = "limits"
	Audit                = "audit"
	Jobs                 = "jobs"
	Conversions          = "conversions"
	Deliveries           = "deliveries"
	Erasures             = "erasures"
)

func order() []string {
	return []string{
		Secrets, Values, Users, Invitations, Bindings, PersonalTokens, Sessions, NotificationSettings, Feeds, Limits,
		Audit,
		Jobs, Conversions, Deliveries, Erasures,
	}
}

// AuthKeys is the directory below Secrets with the keys that sign access tokens.
const AuthKeys = "auth-keys"

// The directories with the bytes of videos and of MP3s, each in one below it, before the
// document of their job. They consist of parts with consecutive numbers, so that a video
// may grow or disappear while it is read.
const (
	videosDir = "uploads"
	tracksDir = "tracks"
	startName = "about.json" // see Start
	suffix    = ".json"
)

// Start is the document before the bytes of a video or an MP3.
type Start struct {
	ID    string `json:"-"`
	Track bool   `json:"-"`
	Name  string `json:"name"`
	// Size is how many bytes the whole video has, also if only some of them were uploaded;
	// 0 for an MP3.
	Size int64 `json:"size,omitempty"`
}

// Job is the document of a job. It follows the bytes that belong to it.
type Job struct {
	// Job is an sx.Job in JSON, in the format of the header.
	Job json.RawMessage `json:"job,omitempty"`
	// Removed says that the job was removed while it was read: it and its bytes do not
	// count.
	Removed bool   `json:"removed,omitempty"`
	Blobs   []Blob `json:"blobs"`
}

// Blob says how many bytes of a video or MP3 the backup has.
type Blob struct {
	ID     string `json:"id"`
	Track  bool   `json:"track,omitempty"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Damaged says why the rest could not be read, in at most MaxReason bytes; "" if there is
	// no rest.
	Damaged string `json:"damaged,omitempty"`
}

// MaxReason is how many bytes Damaged has at most, so that the document of any job fits into
// an entry.
const MaxReason = 200

func documentName(kind, id string) string { return kind + "/" + id + suffix }

// Document adds a document.
func (w *Writer) Document(kind, id string, doc any) error { return w.JSON(documentName(kind, id), doc) }

// BlobWriter writes the bytes of a video or MP3.
type BlobWriter struct {
	w    *Writer
	blob *openBlob
}

// Blob begins a video or MP3. Nothing else may be written before its last part.
func (w *Writer) Blob(s Start) (*BlobWriter, error) {
	if err := w.JSON(blobDir(s.Track)+"/"+s.ID+"/"+startName, s); err != nil {
		return nil, err
	}
	return &BlobWriter{w, w.check.open}, nil
}

func blobDir(track bool) string {
	if track {
		return tracksDir
	}
	return videosDir
}

// Part adds the next bytes, at most MaxData.
func (b *BlobWriter) Part(data []byte) error {
	return b.w.Write(partName(b.blob.dir, b.blob.part+1), data)
}

func partName(dir string, n int) string { return fmt.Sprintf("%s/%08d", dir, n) }

// Blob returns what was written.
func (b *BlobWriter) Blob() Blob { return b.blob.sofar() }

// Visitor receives the contents of an archive. Data is valid only during the call.
type Visitor interface {
	// File is called with a file of Secrets or Values; its name may have one slash.
	File(kind, name string, data []byte) error
	// Document is called with a document of any kind but Jobs.
	Document(kind, id string, data []byte) error
	// Begin is called at the beginning of a video or MP3, Part with each of its parts, and End
	// after the last one.
	Begin(s Start) error
	Part(data []byte) error
	End(b Blob) error
	// Job is called with the document of a job, to which the bytes since the last call belong.
	Job(id string, j Job) error
}

// Summary describes the contents of an archive.
type Summary struct {
	Header  Header
	Entries int64
	Bytes   int64
	Secrets int
	Users   int
	Jobs    int
	Videos  int
	Uploads int // unfinished
	Tracks  int
	Damaged []string // videos and MP3s that could not be read when the backup was created, at most maxDamaged
	// DamagedTotal is how many there are.
	DamagedTotal int
}

const maxDamaged = 100

// Verify reads an archive to its end and checks everything in it.
func (r *Reader) Verify() (Summary, error) { return r.Visit(Ignore{}) }

// Visit reads an archive to its end and calls v with its contents. It stops at an error of
// v.
func (r *Reader) Visit(v Visitor) (Summary, error) {
	s := newScan(v)
	s.summary.Header = r.Header
	for {
		e, err := r.Next()
		if err == nil {
			err = s.entry(e)
		}
		if err != nil {
			s.summary.Entries, s.summary.Bytes = r.entries, r.bytes
			if err = s.end(err); err == nil {
				return s.summary, nil
			}
			return s.summary, err
		}
	}
}

// MaxVersions is of how many versions of a job a backup may have the bytes: it may change
// while it is read.
const MaxVersions = 5

// maxBlobs is how many videos and MP3s may come before the document of a job.
const maxBlobs = MaxVersions * (1 + sx.MaxTracks)

// scan checks the order of an archive and the digests of its blobs. Both a writer and a
// reader have one, so that none can accept what the other refuses.
type scan struct {
	Visitor
	summary Summary
	kind    int // the index of the current kind in order
	open    *openBlob
	blobs   []Blob // since the last job
	video   map[string]int64
}

func newScan(v Visitor) scan { return scan{Visitor: v, video: map[string]int64{}} }

type openBlob struct {
	dir  string
	part int
	sum  hash.Hash
	blob Blob
	size int64 // of the whole video
}

// sofar returns the blob as its parts until now give it.
func (o *openBlob) sofar() Blob {
	b := o.blob
	b.SHA256 = hex.EncodeToString(o.sum.Sum(nil))
	return b
}

// end is called when the archive has ended, with io.EOF or an error.
func (s *scan) end(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	if err := s.close(); err != nil {
		return err
	}
	if len(s.blobs) > 0 {
		return damaged("the job of %s is missing", s.blobs[0].ID)
	}
	return nil
}

func (s *scan) entry(e Entry) error {
	dir, rest, _ := strings.Cut(e.Name, "/")
	switch {
	case rest == "":
		return unexpected(e)
	case dir == videosDir || dir == tracksDir:
		return s.blobEntry(e, dir, rest)
	}
	if err := s.close(); err != nil {
		return err
	}
	kind := slices.Index(order(), dir)
	if kind < s.kind || dir != Jobs && len(s.blobs) > 0 {
		return unexpected(e)
	}
	s.kind = kind
	if dir == Secrets || dir == Values {
		if strings.Count(rest, "/") > 1 {
			return unexpected(e)
		}
		if dir == Secrets {
			s.summary.Secrets++
		}
		return s.File(dir, rest, e.Data)
	}
	id, ok := strings.CutSuffix(rest, suffix)
	if !ok || strings.Contains(id, "/") {
		return unexpected(e)
	}
	if dir == Jobs {
		return s.jobEntry(e, id)
	}
	if dir == Users {
		s.summary.Users++
	}
	if !json.Valid(e.Data) {
		return damaged("the document %s is not JSON", e.Name)
	}
	return s.Document(dir, id, e.Data)
}

func unexpected(e Entry) error { return damaged("it has an entry %s at the wrong place", e.Name) }

// blobEntry is an entry below uploads or tracks.
func (s *scan) blobEntry(e Entry, dir, rest string) error {
	id, name, _ := strings.Cut(rest, "/")
	if name == startName {
		return s.begin(e, dir == tracksDir, id)
	}
	if s.open == nil || e.Name != partName(s.open.dir, s.open.part+1) {
		return unexpected(e)
	}
	s.open.part++
	s.open.sum.Write(e.Data)
	s.open.blob.Size += int64(len(e.Data))
	if !s.open.blob.Track && s.open.blob.Size > s.open.size {
		return damaged("the video %s has more than its %d bytes", id, s.open.size)
	}
	return s.Part(e.Data)
}

func (s *scan) begin(e Entry, track bool, id string) error {
	if err := s.close(); err != nil {
		return err
	}
	jobs := slices.Index(order(), Jobs)
	if s.kind > jobs || len(s.blobs) == maxBlobs {
		return unexpected(e)
	}
	s.kind = jobs
	if len(s.blobs) > 0 && sx.TrackJob(id) != sx.TrackJob(s.blobs[0].ID) {
		return damaged("the job of %s is missing", s.blobs[0].ID)
	}
	if slices.ContainsFunc(s.blobs, func(b Blob) bool { return b.Track == track && b.ID == id }) {
		return unexpected(e)
	}
	start := Start{ID: id, Track: track}
	if err := e.Decode(&start); err != nil {
		return err
	}
	if start.Size < 0 {
		return damaged("the video %s has %d bytes", id, start.Size)
	}
	s.open = &openBlob{
		dir: blobDir(track) + "/" + id, sum: sha256.New(), blob: Blob{ID: id, Track: track}, size: start.Size,
	}
	return s.Begin(start)
}

// close ends the open blob, if there is one.
func (s *scan) close() error {
	if s.open == nil {
		return nil
	}
	b := s.open.sofar()
	s.blobs, s.video[b.ID] = append(s.blobs, b), s.open.size
	s.open = nil
	return s.End(b)
}

func (s *scan) jobEntry(e Entry, id string) error {
	var j Job
	if err := e.Decode(&j); err != nil {
		return err
	}
	if len(j.Blobs) != len(s.blobs) || j.Removed != (len(j.Job) == 0) {
		return damaged("the document %s does not match what is before it", e.Name)
	}
	for i, b := range s.blobs {
		if b.Damaged = j.Blobs[i].Damaged; b != j.Blobs[i] || sx.TrackJob(b.ID) != id {
			return damaged("%s differs from its digest in %s", b.ID, e.Name)
		}
		if !j.Removed {
			s.count(b)
		}
	}
	s.blobs = s.blobs[:0]
	clear(s.video)
	if !j.Removed {
		s.summary.Jobs++
	}
	return s.Job(id, j)
}

func (s *scan) count(b Blob) {
	switch {
	case b.Damaged != "":
		s.summary.DamagedTotal++
		if len(s.summary.Damaged) < maxDamaged {
			s.summary.Damaged = append(s.summary.Damaged, sx.CleanLine(b.ID+": "+b.Damaged, 300))
		}
	case b.Track:
		s.summary.Tracks++
	case b.Size < s.video[b.ID]:
		s.summary.Uploads++
	default:
		s.summary.Videos++
	}
}

// Ignore is a Visitor that does nothing.
type Ignore struct{}

// File implements Visitor, as the other methods do.
func (Ignore) File(string, string, []byte) error { return nil }

// Document implements Visitor.
func (Ignore) Document(string, string, []byte) error { return nil }

// Begin implements Visitor.
func (Ignore) Begin(Start) error { return nil }

// Part implements Visitor.
func (Ignore) Part([]byte) error { return nil }

// End implements Visitor.
func (Ignore) End(Blob) error { return nil }

// Job implements Visitor.
func (Ignore) Job(string, Job) error { return nil }
