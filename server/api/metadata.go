package api

import (
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// UploadMetadata returns the metadata of an upload. A value that is the default one is
// left out.
func UploadMetadata(u sx.NewUpload) map[string]string {
	meta := map[string]string{}
	set := func(key, value string) {
		if value != "" {
			meta[key] = value
		}
	}
	o := u.Options
	set(MetaFilename, u.Source.Name)
	set(MetaPreset, string(o.Preset))
	if o.Bitrate != 0 {
		set(MetaBitrate, strconv.Itoa(o.Bitrate))
	}
	if o.Quality != nil {
		set(MetaQuality, strconv.Itoa(*o.Quality))
	}
	if o.Mono {
		set(MetaMono, "true")
	}
	set(MetaTrack, o.Track)
	if o.KeepAllTags {
		set(MetaKeepAllTags, "true")
	}
	set(MetaStart, sx.FormatSeconds(o.Start))
	set(MetaEnd, sx.FormatSeconds(o.End))
	set(MetaLoudness, o.Loudness)
	if o.SplitChapters {
		set(MetaSplitChapters, "true")
	}
	set(MetaSplitEvery, sx.FormatSeconds(o.SplitEvery))
	set(MetaTitle, o.Title)
	set(MetaArtist, o.Artist)
	set(MetaAlbum, o.Album)
	set(MetaLabels, strings.Join(u.Labels, ","))
	set(MetaPriority, string(u.Priority))
	if u.AudioOnly {
		set(MetaAudioOnly, "true")
		set(MetaSourceSize, strconv.FormatInt(u.Source.Size, 10))
	}
	set(MetaIdentity, u.Source.Identity)
	return meta
}
