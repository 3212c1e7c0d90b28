package sx

import (
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
	Identity string
}

// Sent is what was uploaded of a source.
type Sent struct {
	Name      string // of the source
	Size      int64  // bytes
	SHA256    string // lower-case hex; "" until all bytes are stored
	AudioOnly bool   // the source's audio without its pictures; otherwise the whole file
}

// WholeFile is the form of identities whose digest is that of the whole file.
const WholeFile = "file1"

const filePrefix = "file" // of all forms of whole files

var identityPattern = regexp.MustCompile(`^(audio|file)[0-9]{1,3}(:[0-9a-f]{64})?$`)

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
