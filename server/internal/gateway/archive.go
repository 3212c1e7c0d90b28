package gateway

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/ziparchive"
	"github.com/soundextract/sx/server/sx"
)

// maxArchive is how many MP3s one archive may have: their names are in memory.
const maxArchive = 10_000

// getArchive serves the MP3s of several jobs in one ZIP archive, which is never stored.
func (s *Service) getArchive(w http.ResponseWriter, r *http.Request) error {
	tracks, files, err := s.archive(r)
	if err != nil {
		return err
	}
	size, err := ziparchive.Size(files)
	if err != nil {
		return fmt.Errorf("compute the size of an archive: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Content-Disposition", attachment("soundextract.zip"))
	if r.Method == http.MethodHead {
		return nil
	}
	ctx := r.Context()
	err = ziparchive.Write(w, files, func(i int) (io.ReadCloser, error) {
		blob, err := s.cfg.Tracks.Open(ctx, tracks[i].ID)
		if err != nil {
			return nil, err
		}
		return &countingBlob{blob, s.metrics.trackBytes}, nil
	})
	if err != nil {
		// The response has begun, so only a broken connection can tell the client.
		if ctx.Err() == nil {
			s.cfg.Log.WarnContext(ctx, "an archive was not sent completely", "error", httpserver.Cause(err))
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// archive returns the tracks of the jobs that the request names, in its order, and their
// files in the archive.
func (s *Service) archive(r *http.Request) ([]sx.Track, []ziparchive.File, error) {
	ids, err := queryIDs(r.URL.Query())
	switch {
	case err != nil:
		return nil, nil, err
	case len(ids) == 0:
		return nil, nil, sx.NewError(sx.CodeInvalid, "no jobs").
			WithHint("specify jobs in the query, such as %s?%s=ID", api.PathArchive, api.QueryID)
	}
	list, _, err := s.cfg.Jobs.List(r.Context(), store.JobFilter{Owner: owner(r.Context()), IDs: ids, Limit: len(ids)})
	if err != nil {
		return nil, nil, err
	}
	jobs := map[string]sx.Job{}
	for _, j := range list {
		jobs[j.ID] = j
	}
	var tracks []sx.Track
	var files []ziparchive.File
	names := archiveNames{}
	for _, id := range ids {
		j, found := jobs[id]
		switch {
		case !found:
			return nil, nil, sx.NewError(sx.CodeNotFound, "job %s not found", id)
		case len(j.Tracks) == 0:
			return nil, nil, noTrack(j)
		case len(tracks)+len(j.Tracks) > maxArchive:
			return nil, nil, sx.NewError(sx.CodeInvalid, "the jobs have more than %d MP3s", maxArchive).
				WithHint("choose fewer jobs")
		}
		paths := names.add(j.Sources[0].Name, j.Tracks)
		for i, t := range j.Tracks {
			tracks = append(tracks, t)
			files = append(files, ziparchive.File{Name: paths[i], Size: t.Size, Modified: j.Updated})
		}
	}
	return tracks, files, nil
}

// archiveNames chooses the names of an archive's files. It counts how often each was
// needed.
type archiveNames map[string]int

// add returns the paths of a job's MP3s in the archive: in the directory of the source and,
// if there are several, in one of their own there.
func (n archiveNames) add(source string, tracks []sx.Track) (paths []string) {
	dir := path.Dir(sx.SourceName(source))
	var elements []string
	for e := range strings.SplitSeq(dir, "/") {
		if e == "." {
			continue
		}
		e = safeElement(e, "directory")
		if strings.EqualFold(path.Ext(e), ".mp3") { // an MP3 could have the same name
			e += "_"
		}
		elements = append(elements, e)
	}
	in := path.Join(elements...)
	if len(tracks) > 1 {
		in = strings.TrimSuffix(n.choose(in, sx.MP3Name(source)), ".mp3")
		if strings.EqualFold(path.Ext(in), ".mp3") {
			in += "_"
		}
	}
	for _, t := range tracks {
		paths = append(paths, n.choose(in, t.Name))
	}
	return paths
}

// choose returns the path of an MP3 in the directory, which is unique even on a file system
// that ignores case.
func (n archiveNames) choose(dir, mp3 string) string {
	base := path.Join(dir, safeElement(strings.TrimSuffix(path.Base(sx.SourceName(mp3)), ".mp3"), "track"))
	for {
		key := strings.ToLower(norm.NFC.String(base))
		n[key]++
		if n[key] == 1 {
			return base + ".mp3"
		}
		base += " (" + strconv.Itoa(n[key]) + ")"
	}
}

func safeElement(name, empty string) string {
	return sx.SafeElement(strings.ReplaceAll(name, `\`, "_"), empty)
}
