package gateway

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/internal/ziparchive"
	"github.com/soundextract/sx/server/sx"
)

// Limits of archives: their names are in memory while they are sent, which may take hours.
const (
	maxArchive      = 10_000  // MP3s
	maxArchiveNames = 1 << 20 // bytes of their names
	maxArchives     = 8       // that are sent to an account at the same time
	archiveRetry    = 5 * time.Second
)

// archive is a ZIP archive of MP3s, which is never stored.
type archive struct {
	tracks []string // IDs
	bytes  int      // of names
	files  []ziparchive.File
	names  archiveNames
}

// add adds the MP3s of a job; source is the path that they are named after.
func (a *archive) add(j sx.Job, source string) error {
	if len(j.Tracks) == 0 {
		return noTrack(j)
	}
	if a.names == nil {
		a.names = archiveNames{}
	}
	paths := a.names.add(source, j.Tracks)
	for i, t := range j.Tracks {
		if a.bytes += len(paths[i]); a.bytes > maxArchiveNames {
			return sx.NewError(sx.CodeInvalid, "the names of the MP3s are too long for one archive").WithHint("choose fewer jobs")
		}
		a.tracks = append(a.tracks, t.ID)
		a.files = append(a.files, ziparchive.File{Name: paths[i], Size: t.Size, Modified: j.Updated})
	}
	return nil
}

// getArchive serves the MP3s of several jobs in one archive.
func (s *Service) getArchive(w http.ResponseWriter, r *http.Request) error {
	release, ok := s.ownerArchives.take(owner(r.Context()))
	if !ok {
		return sx.NewError(sx.CodeTooManyRequests, "your account is downloading %d archives, which is the maximum", maxArchives).
			WithHint("wait until one of them has finished, then try again").WithRetryAfter(archiveRetry)
	}
	defer release()
	a, err := s.archive(r)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "private, no-store")
	return s.sendArchive(w, r, a, "soundextract.zip")
}

// sendArchive sends an archive, which clients store under the name.
func (s *Service) sendArchive(w http.ResponseWriter, r *http.Request, a archive, name string) error {
	size, err := ziparchive.Size(a.files)
	if err != nil {
		return fmt.Errorf("compute the size of an archive: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Content-Disposition", attachment(name))
	if r.Method == http.MethodHead {
		return nil
	}
	ctx := r.Context()
	err = ziparchive.Write(w, a.files, func(i int) (io.ReadCloser, error) {
		blob, err := s.cfg.Tracks.Open(ctx, a.tracks[i])
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

// archive returns the archive of the jobs that the request names, in its order.
func (s *Service) archive(r *http.Request) (a archive, err error) {
	ids, err := queryIDs(r.URL.Query())
	switch {
	case err != nil:
		return a, err
	case len(ids) == 0:
		return a, sx.NewError(sx.CodeInvalid, "no jobs").
			WithHint("specify jobs in the query, such as %s?%s=ID", api.PathArchive, api.QueryID)
	}
	leave, err := s.large.Enter(r.Context(), owner(r.Context()))
	if err != nil {
		return a, err
	}
	defer leave()
	jobs, tracks := map[string]sx.Job{}, 0
	for j, err := range store.JobsByID(r.Context(), s.cfg.Jobs, owner(r.Context()), ids) {
		if err != nil {
			return a, err
		}
		if tracks += len(j.Tracks); tracks > maxArchive {
			return a, sx.NewError(sx.CodeInvalid, "the jobs have more than %d MP3s", maxArchive).
				WithHint("choose fewer jobs")
		}
		for i := range j.Tracks { // the archive has no use for their texts
			j.Tracks[i].Title, j.Tracks[i].Artist, j.Tracks[i].Album = "", "", ""
		}
		jobs[j.ID] = j
	}
	for _, id := range ids {
		j, found := jobs[id]
		if !found {
			return a, sx.NewError(sx.CodeNotFound, "job %s not found", id)
		}
		if err := a.add(j, j.Sources[0].Name); err != nil {
			return a, err
		}
	}
	return a, nil
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
