package sx

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// Source is a file that a person converts, as it is on their machine.
type Source struct {
	Name   string // base name
	Size   int64  // bytes
	SHA256 string // of the whole file, lower-case hex; "" unless all of it was sent
	// Identity says which audio the file has: a form and a digest, such as
	// "audio1:" or "file1:" and 64 hexadecimal digits. Sources with the same identity
	// give the same MP3. The client computes it. It is the form alone while its digest
	// is that of an upload that is not complete, and "" if it is unknown.
	//
	// Each of several files that are joined has that of all together (see JoinedIdentity).
	Identity string
	Sent     int64 // bytes that were sent of it, if several files are joined; otherwise 0
}

// Sent is what was uploaded of a source, or of all sources, one after another.
type Sent struct {
	Name      string // of the source; of several, that of the job
	Size      int64  // bytes
	SHA256    string // lower-case hex; "" until all bytes are stored
	AudioOnly bool   // the source's audio without its pictures (of several, of at least one); otherwise the whole file
}

// MaxSources is the maximum number of files that are joined. It bounds the metadata of an
// upload, which is one line of a request's header.
const MaxSources = 50

// WholeFile is the form of identities whose digest is that of the whole file, JoinedFiles that
// of files that are joined.
const (
	WholeFile   = "file1"
	JoinedFiles = "join1"
)

const filePrefix = "file" // of all forms of whole files

var identityPattern = regexp.MustCompile(`^(audio|file|join)[0-9]{1,3}(:[0-9a-f]{64})?$`)

// JoinedIdentity returns the identity of files that are joined, from the digest of what was
// sent of all of them, one after another, and the bytes of each: the same bytes give another
// MP3 if they are divided otherwise.
func JoinedIdentity(sent string, sizes []int64) string {
	hash := sha256.New()
	_, _ = fmt.Fprintln(hash, sent)
	for _, n := range sizes {
		_, _ = fmt.Fprintln(hash, n)
	}
	return JoinedFiles + ":" + hex.EncodeToString(hash.Sum(nil))
}

// CheckIdentity returns an Error of code invalid unless the text is a complete
// identity.
func CheckIdentity(s string) error {
	if !identityPattern.MatchString(s) || !strings.Contains(s, ":") {
		return NewError(CodeInvalid, "invalid identity %q", s).
			WithHint("use a form and a SHA-256, such as file1: and 64 hexadecimal digits")
	}
	return nil
}

// check returns an Error of code invalid if the identity is not one, or a form alone
// that is not the form of what is sent.
func (s Source) check(audioOnly bool) error {
	if s.Identity == "" {
		return nil
	}
	form, digest, _ := strings.Cut(s.Identity, ":")
	switch {
	case form == JoinedFiles:
		return NewError(CodeInvalid, "the identity %q is that of several files", s.Identity).
			WithHint("leave it out: the server determines that of files that are joined")
	case digest != "" || !identityPattern.MatchString(s.Identity):
		return CheckIdentity(s.Identity)
	case strings.HasPrefix(form, filePrefix) == audioOnly:
		return NewError(CodeInvalid, "the identity %q is not of what is sent", s.Identity).
			WithHint("send the whole identity, with its digest")
	}
	return nil
}

// complete sets what the digest of the complete upload says about the source. If the
// identity has the form of what was sent, its digest becomes this one, whatever the client
// claimed.
func (s *Source) complete(sent Sent) {
	form, _, _ := strings.Cut(s.Identity, ":")
	if !sent.AudioOnly {
		s.SHA256 = sent.SHA256
		if form == "" {
			form = WholeFile
		}
	}
	if form != "" && strings.HasPrefix(form, filePrefix) != sent.AudioOnly {
		s.Identity = form + ":" + sent.SHA256
	}
}

// cleanJoined makes the names of files that are joined safe to store and display, and checks
// their number and sizes.
func cleanJoined(list []Source) error {
	if len(list) < 2 || len(list) > MaxSources {
		return NewError(CodeInvalid, "%d files cannot be joined", len(list)).
			WithHint("join from 2 to %d files", MaxSources)
	}
	const most = 1 << 50 // so that the sum cannot overflow
	for i := range list {
		s := &list[i]
		s.Name = SourceName(s.Name)
		if s.Sent < 1 || s.Sent > most || s.Size < 0 || s.Size > most {
			return NewError(CodeInvalid, "the size of %s is invalid", s.Name).
				WithHint("specify how many bytes are sent of each file, at least 1")
		}
		if s.Size == 0 {
			s.Size = s.Sent
		}
	}
	return nil
}

// completeSources sets what the digest of the complete upload says about the sources.
func (j *Job) completeSources() {
	sources := append([]Source{}, j.Sources...)
	if len(sources) == 1 {
		sources[0].complete(j.Sent)
	}
	if len(sources) > 1 {
		var sizes []int64
		for _, s := range sources {
			sizes = append(sizes, s.Sent)
		}
		for i := range sources {
			sources[i].Identity = JoinedIdentity(j.Sent.SHA256, sizes)
		}
	}
	j.Sources = sources
}

// Identity returns the identity of the job's source, or of all its sources together; "" if it
// is unknown.
func (j Job) Identity() string {
	if len(j.Sources) == 0 {
		return ""
	}
	return j.Sources[0].Identity
}
