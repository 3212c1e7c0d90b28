package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// createJob serves the upload of a whole file in one request.
func (s *Service) createJob(w http.ResponseWriter, r *http.Request) error {
	metadata, err := queryMetadata(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if r.ContentLength < 0 {
		return sx.NewError(sx.CodeInvalid, "the request has no Content-Length").
			WithHint("send the file with its size, not in chunks; a stream can be uploaded with tus once its size is known")
	}
	r = withKey(r, true)
	u, err := s.uploads.Whole(w, r, metadata)
	if err != nil {
		if u.ID != "" && u.Offset < u.Size {
			s.forgetKey(r.Context(), u.ID)
		}
		return err
	}
	j, err := s.owned(r.Context(), u.ID)
	if err != nil {
		return err
	}
	out, err := s.toAPI(r.Context(), j, s.newPeriods())
	if err != nil {
		return err
	}
	w.Header().Set("Location", strings.Replace(api.PathJob, "{id}", j.ID, 1))
	api.Write(w, http.StatusCreated, out)
	return nil
}

// parameters are the keys of metadata that may be in a query. Others are refused, because a
// misspelt one would be noticed only in the MP3.
var parameters = []string{
	api.MetaFilename, api.MetaPreset, api.MetaBitrate, api.MetaQuality, api.MetaMono, api.MetaTrack, api.MetaKeepAllTags,
	api.MetaStart, api.MetaEnd, api.MetaLoudness, api.MetaSplitChapters, api.MetaSplitEvery,
	api.MetaTitle, api.MetaArtist, api.MetaAlbum, api.MetaLabels,
	api.MetaPriority, api.MetaAudioOnly, api.MetaSourceSize, api.MetaIdentity, api.MetaSources,
}

// queryMetadata returns the parameters of a query as the metadata of an upload.
func queryMetadata(query string) (map[string]string, error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "malformed query").WithHint("percent-encode the values")
	}
	metadata := map[string]string{}
	for key, values := range q {
		if !slices.Contains(parameters, key) {
			return nil, sx.NewError(sx.CodeInvalid, "unknown parameter %q", key).
				WithHint("choose from: %s", strings.Join(parameters, " "))
		}
		if len(values) > 1 {
			return nil, sx.NewError(sx.CodeInvalid, "the parameter %s is given %d times", key, len(values)).
				WithHint("give it once, and separate labels with commas")
		}
		metadata[key] = values[0]
	}
	if metadata[api.MetaFilename] == "" {
		return nil, sx.NewError(sx.CodeInvalid, "the query has no %s", api.MetaFilename).
			WithHint("add ?%s= with the name of the file", api.MetaFilename)
	}
	return metadata, nil
}
