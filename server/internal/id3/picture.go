package id3

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// PictureType says what a picture shows (frames, section 4.14).
type PictureType int

// The types that matter here; the others are those of ID3.
const (
	PictureUnknown PictureType = -1
	PictureOther   PictureType = 0
	PictureFront   PictureType = 3
	PictureBack    PictureType = 4
)

// Picture is a picture in a source.
type Picture struct {
	Type     PictureType
	FileName string // of a Matroska attachment
	Title    string
	Data     []byte // nil if it is not loaded
}

// pictureTypes are ffmpeg's names for the types, in their order in ID3.
var pictureTypes = []string{
	"other", "32x32 pixels 'file icon'", "other file icon", "cover (front)", "cover (back)", "leaflet page",
	"media (e.g. label side of cd)", "lead artist/lead performer/soloist", "artist/performer", "conductor",
	"band/orchestra", "composer", "lyricist/text writer", "recording location", "during recording",
	"during performance", "movie/video screen capture", "a bright coloured fish", "illustration",
	"band/artist logotype", "publisher/studio logotype",
}

// DescribePicture returns what the tags of a video or attachment stream in ffprobe's
// report say about its picture.
func DescribePicture(tags map[string]string) Picture {
	p := Picture{Type: PictureUnknown}
	for _, name := range sortedKeys(tags) {
		value := cleanLine(tags[name])
		switch lower := strings.ToLower(name); {
		case lower == "filename":
			p.FileName = value
		case lower == "title":
			p.Title = value
		case lower == "comment":
			if i := slices.Index(pictureTypes, strings.ToLower(value)); i >= 0 {
				p.Type = PictureType(i)
			}
		case strings.HasPrefix(lower, "cover art ("): // an APE tag, such as Cover Art (Front)
			kind := strings.TrimSuffix(strings.TrimPrefix(lower, "cover art ("), ")")
			p.Type = PictureOther
			if i := slices.IndexFunc(pictureTypes, func(t string) bool { return t == "cover ("+kind+")" || t == kind }); i >= 0 {
				p.Type = PictureType(i)
			} else if kind != "other" {
				p.Type = PictureBack // whatever it is, it is not the front
			}
		}
	}
	return p
}

// Front returns the index of the front cover among the pictures of a source, or -1.
// A picture that is known to show something else is never taken for it.
func Front(pictures []Picture) int {
	best, rank := -1, 0
	for i, p := range pictures {
		if r := p.frontRank(); r > rank {
			best, rank = i, r
		}
	}
	return best
}

// Names that mark the front cover, the best one last. Matroska calls the portrait or
// square cover "cover", a smaller one "small_cover", and landscape ones "cover_land"
// (RFC 9559, section 5.1.6 and the attachment guidelines).
var (
	frontNames = []string{"small_cover_land", "cover_land", "small_cover", "folder", "front", "cover"}
	notFront   = []string{"back", "rear", "inlay", "inside", "booklet", "disc", "cd", "label", "artist", "logo", "banner", "thumb"}
)

func (p Picture) frontRank() int {
	file := strings.ToLower(p.FileName)
	words := strings.FieldsFunc(file+" "+strings.ToLower(p.Title), func(r rune) bool { return (r < 'a' || r > 'z') && r < 0x80 })
	named := strings.TrimSuffix(file, path.Ext(file))
	other := slices.ContainsFunc(words, func(w string) bool { return slices.Contains(notFront, w) })
	switch {
	case p.Type == PictureFront:
		return 100
	case p.Type != PictureUnknown && p.Type != PictureOther, other:
		return 0
	case slices.Contains(frontNames, named):
		return 10 + slices.Index(frontNames, named)
	case slices.Contains(words, "front"), slices.Contains(words, "cover"):
		return 9
	default:
		return cmp.Or(b2i(p.Type == PictureUnknown)*2, 1)
	}
}
