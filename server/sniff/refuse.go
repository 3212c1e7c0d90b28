package sniff

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf8"
)

// playlist names the format if it refers to other files or addresses, which ffmpeg
// would open.
func playlist(head []byte) (string, bool) {
	text := strings.ToLower(strings.TrimLeft(string(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF"))), " \t\r\n\x00"))
	for _, p := range []struct{ prefix, kind string }{
		{"#extm3u", "an HLS or M3U playlist"},
		{"#ext-x-", "an HLS playlist"},
		{"ffconcat", "an ffconcat script"},
		{"file '", "an ffconcat script"},
		{"[playlist]", "a PLS playlist"},
		{"[reference]", "a Windows Media reference"},
		{"<asx", "an ASX playlist"},
		{"<smil", "a SMIL playlist"},
		{"<mpd", "a DASH manifest"},
		{"v=0\r\no=", "an SDP session description"},
		{"v=0\no=", "an SDP session description"},
		{"rtsptext", "a list of addresses"},
		{"http://", "a list of addresses"},
		{"https://", "a list of addresses"},
		{"rtsp://", "a list of addresses"},
	} {
		if strings.HasPrefix(text, p.prefix) {
			return p.kind, true
		}
	}
	if m := xmlRoot.FindStringSubmatch(text); m != nil {
		kind, ok := xmlPlaylists[m[1]]
		return kind, ok
	}
	return "", false
}

// xmlRoot matches the root element after declaration, comments and doctype.
var xmlRoot = regexp.MustCompile(`^(?:<\?[^>]*>|<!--(?s:.*?)-->|<![^>]*>|\s+)+<(?:[a-z0-9_]+:)?([a-z0-9_]+)`)

var xmlPlaylists = map[string]string{
	"mpd":                  "a DASH manifest",
	"smil":                 "a SMIL playlist",
	"asx":                  "an ASX playlist",
	"playlist":             "an XSPF playlist",
	"smoothstreamingmedia": "a Smooth Streaming manifest",
	"manifest":             "a streaming manifest",
}

var others = []struct {
	at    int
	magic string
	kind  string
}{
	{0, "PK\x03\x04", "a ZIP archive or office document"},
	{0, "PK\x05\x06", "an empty ZIP archive"},
	{0, "7z\xBC\xAF\x27\x1C", "a 7-Zip archive"},
	{0, "Rar!\x1A\x07", "a RAR archive"},
	{0, "\x1F\x8B", "a gzip archive"},
	{0, "BZh", "a bzip2 archive"},
	{0, "\xFD7zXZ\x00", "an xz archive"},
	{0, "\x28\xB5\x2F\xFD", "a Zstandard archive"},
	{257, "ustar", "a tar archive"},
	{0, "%PDF-", "a PDF document"},
	{0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "an old office document"},
	{0, "\x89PNG\r\n\x1A\n", "a PNG picture"},
	{0, "\xFF\xD8\xFF", "a JPEG picture"},
	{0, "GIF8", "a GIF picture"},
	{8, "WEBP", "a WebP picture"},
	{0, "II*\x00", "a TIFF picture"},
	{0, "MM\x00*", "a TIFF picture"},
	{0, "\x00\x00\x00\x0CjP  ", "a JPEG 2000 picture"},
	{0, "8BPS", "a Photoshop picture"},
	{0, "MThd", "a MIDI file, which has notes and no audio"},
	{0, "DKIF", "a raw video stream without audio"},
	{0, "\x00\x00\x01\xB3", "a raw video stream without audio"},
	{0, "\x00\x00\x01\x67", "a raw video stream without audio"},
	{0, "\x00\x00\x00\x01", "a raw video stream without audio"},
	{0, "\x7FELF", "an executable"},
	{0, "MZ", "an executable"},
	{0, "\xCF\xFA\xED\xFE", "an executable"},
	{0, "\xCA\xFE\xBA\xBE", "an executable"},
	{0, "#!", "a script"},
	{0, "SQLite format 3\x00", "a database"},
	{0, "d8:announce", "a torrent, which only refers to files"},
}

// other returns the kind of a file that is not media, or "" if it is unknown.
func other(head []byte) string {
	if len(head) == 0 {
		return "empty"
	}
	if isPicture(head) {
		return "a HEIF picture"
	}
	for _, o := range others {
		if len(head) > o.at && bytes.HasPrefix(head[o.at:], []byte(o.magic)) {
			return o.kind
		}
	}
	if len(bytes.TrimLeft(head, "\x00")) == 0 {
		return "nothing but zeros, like an unfinished download"
	}
	if !isText(head) {
		return ""
	}
	switch lower := strings.ToLower(strings.TrimSpace(string(head))); {
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"):
		return "a web page"
	case strings.HasPrefix(lower, "<svg"):
		return "an SVG picture"
	case strings.HasPrefix(lower, "<?xml"):
		return "an XML document"
	default:
		return "text"
	}
}

func isText(head []byte) bool {
	if bytes.HasPrefix(head, []byte("\xFF\xFE")) || bytes.HasPrefix(head, []byte("\xFE\xFF")) {
		return true // UTF-16
	}
	for i := 0; i < len(head); {
		r, n := utf8.DecodeRune(head[i:])
		if r == utf8.RuneError && n == 1 {
			return len(head) == Len && len(head)-i < utf8.UTFMax // a character is cut at the end
		}
		if r < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1B", r) {
			return false
		}
		i += n
	}
	return true
}
