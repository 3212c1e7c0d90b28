package api

import (
	"encoding/json"
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
	}
	if u.AudioOnly && u.Joined == nil {
		set(MetaSourceSize, strconv.FormatInt(u.Source.Size, 10))
	}
	set(MetaIdentity, u.Source.Identity)
	set(MetaSources, joined(u.Joined))
	return meta
}

// joined returns files that are joined as a value of metadata; "" if there are none.
func joined(list []sx.Source) string {
	if list == nil {
		return ""
	}
	out := make([]Source, len(list))
	for i, s := range list {
		out[i] = Source{Name: s.Name, Size: s.Size, Sent: s.Sent}
	}
	raw, _ := json.Marshal(out) // texts and numbers can always be encoded
	return string(raw)
}

// ParseSources reads the value of MetaSources.
func ParseSources(value string) ([]sx.Source, error) {
	var in []Source
	if err := json.Unmarshal([]byte(value), &in); err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "the list of files that are joined is not valid").
			WithHint(`send a JSON array such as [{"name": "a.MTS", "size": 4294967296, "sent": 61000000}]`).WithCause(err)
	}
	list := make([]sx.Source, len(in))
	for i, s := range in {
		list[i] = sx.Source{Name: s.Name, Size: s.Size, Sent: s.Sent}
	}
	return list, nil
}
