package gateway

import (
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// readMetadata reads an upload's metadata; unknown keys are ignored. Errors are of
// code invalid.
func readMetadata(meta map[string]string) (u sx.NewUpload, err error) {
	if meta[api.MetaFilename] == "" {
		return u, sx.NewError(sx.CodeInvalid, "the upload has no file name").
			WithHint("send it base64-encoded in Upload-Metadata, with the key %s", api.MetaFilename)
	}
	u.Source.Name, u.Source.Identity = meta[api.MetaFilename], meta[api.MetaIdentity]
	if v := meta[api.MetaLabels]; v != "" {
		u.Labels = strings.Split(v, ",")
	}
	if u.Priority, err = sx.ParsePriority(meta[api.MetaPriority]); err != nil {
		return u, err
	}
	if u.AudioOnly, err = readSwitch(meta, api.MetaAudioOnly); err != nil {
		return u, err
	}
	if v := meta[api.MetaSourceSize]; v != "" {
		if u.Source.Size, err = strconv.ParseInt(v, 10, 64); err != nil || u.Source.Size < 0 {
			return u, invalidOption(api.MetaSourceSize, v, "a number of bytes")
		}
	}
	if v := meta[api.MetaSources]; v != "" {
		if u.Joined, err = api.ParseSources(v); err != nil {
			return u, err
		}
	}
	if u.Options, err = readOptions(meta); err != nil {
		return u, err
	}
	return u, u.Clean()
}

func readOptions(meta map[string]string) (o sx.Options, err error) {
	o = sx.Options{
		Preset: sx.Preset(meta[api.MetaPreset]), Track: meta[api.MetaTrack],
		Loudness: meta[api.MetaLoudness],
		Title:    meta[api.MetaTitle], Artist: meta[api.MetaArtist], Album: meta[api.MetaAlbum],
	}
	if v := meta[api.MetaBitrate]; v != "" {
		if o.Bitrate, err = strconv.Atoi(v); err != nil {
			return o, invalidOption(api.MetaBitrate, v, "a number of kbit/s")
		}
	}
	if v := meta[api.MetaQuality]; v != "" {
		q, err := strconv.Atoi(v)
		if err != nil {
			return o, invalidOption(api.MetaQuality, v, "a number from 0 to 9")
		}
		o.Quality = &q
	}
	if o.Mono, err = readSwitch(meta, api.MetaMono); err != nil {
		return o, err
	}
	if o.KeepAllTags, err = readSwitch(meta, api.MetaKeepAllTags); err != nil {
		return o, err
	}
	if o.Start, err = readSeconds(meta, api.MetaStart); err != nil {
		return o, err
	}
	if o.End, err = readSeconds(meta, api.MetaEnd); err != nil {
		return o, err
	}
	if o.SplitChapters, err = readSwitch(meta, api.MetaSplitChapters); err != nil {
		return o, err
	}
	o.SplitEvery, err = readSeconds(meta, api.MetaSplitEvery)
	return o, err
}

func readSeconds(meta map[string]string, key string) (float64, error) {
	v := meta[key]
	if v == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(v, 64)
	if err != nil {
		return 0, invalidOption(key, v, "a number of seconds")
	}
	return seconds, nil
}

func readSwitch(meta map[string]string, key string) (bool, error) {
	switch v := meta[key]; v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, invalidOption(key, v, "true or false")
	}
}

func invalidOption(key, value, want string) error {
	return sx.NewError(sx.CodeInvalid, "invalid %s %q", key, value).WithHint("specify %s", want)
}
