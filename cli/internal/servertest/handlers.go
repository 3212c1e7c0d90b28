package servertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	meta := metadata(r.Header.Get("Upload-Metadata"))
	if err != nil || meta[api.MetaFilename] == "" || r.Header.Get("Tus-Resumable") != "1.0.0" {
		api.WriteError(w, sx.NewError(sx.CodeInvalid, "not a tus request"))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	j := &job{meta: meta, video: make([]byte, 0, size), Job: api.Job{
		ID: sx.NewID(), Name: meta[api.MetaFilename], State: sx.StateUploading,
		Created: now, Updated: now, Video: api.Video{Size: size},
	}}
	s.jobs = append(s.jobs, j)
	w.Header().Set("Location", "http://inside.example"+api.PathUploads+j.ID)
	w.WriteHeader(http.StatusCreated)
}

func (s *Server) head(w http.ResponseWriter, r *http.Request) {
	s.with(w, r, func(j *job) {
		w.Header().Set("Upload-Offset", strconv.Itoa(len(j.video)))
		w.Header().Set("Upload-Length", strconv.FormatInt(j.Video.Size, 10))
		w.Header().Set("Cache-Control", "no-store")
	})
}

func (s *Server) patch(w http.ResponseWriter, r *http.Request) {
	var offset int64
	good := false
	s.with(w, r, func(j *job) {
		offset = int64(len(j.video))
		if r.Header.Get("Upload-Offset") != strconv.FormatInt(offset, 10) {
			api.WriteError(w, sx.NewError(sx.CodeOffsetConflict, "the upload is at byte %d", offset))
			return
		}
		good = r.Header.Get("Content-Type") == "application/offset+octet-stream"
	})
	if !good {
		return
	}
	limit := int64(-1)
	if s.Cut != nil {
		limit = s.Cut(offset, r.ContentLength)
	}
	body := io.Reader(r.Body)
	if limit >= 0 {
		body = io.LimitReader(body, limit)
	}
	buffer := bytes.NewBuffer(make([]byte, 0, max(0, r.ContentLength)+bytes.MinRead))
	_, err := buffer.ReadFrom(body)
	data := buffer.Bytes()
	if s.Stored != nil {
		data = s.Stored(data)
	}
	s.with(w, r, func(j *job) {
		if int64(len(j.video)) != offset {
			return // another request was faster
		}
		j.video = append(j.video, data...)
		if int64(len(j.video)) == j.Video.Size {
			j.Video.SHA256, j.State = Digest(j.video), sx.StateQueued
			if s.Convert != nil {
				j.finish(s.Convert(j.video))
			}
		}
		s.touch(j)
		if limit >= 0 && limit < r.ContentLength || err != nil {
			panic(http.ErrAbortHandler) // breaks the connection
		}
		w.Header().Set("Upload-Offset", strconv.Itoa(len(j.video)))
		w.WriteHeader(http.StatusNoContent)
	})
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	s.with(w, r, func(j *job) { api.Write(w, http.StatusOK, j.Job) })
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	s.Forget(r.PathValue("id"))
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) retry(w http.ResponseWriter, r *http.Request) {
	s.with(w, r, func(j *job) {
		j.State, j.Error = sx.StateQueued, nil
		if s.Convert != nil {
			j.finish(s.Convert(j.video))
		}
		s.touch(j)
		api.Write(w, http.StatusOK, j.Job)
	})
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get(api.QueryLimit))
	if err != nil {
		limit = api.DefaultLimit
	}
	after, out := q.Get(api.QueryAfter), api.JobList{Jobs: []api.Job{}}
	for _, j := range slices.Backward(s.jobs) {
		if after != "" {
			if j.ID == after {
				after = ""
			}
			continue
		}
		if states := q[api.QueryState]; len(states) > 0 && !slices.Contains(states, string(j.State)) {
			continue
		}
		if ids := q[api.QueryID]; len(ids) > 0 && !slices.Contains(ids, j.ID) {
			continue
		}
		if len(out.Jobs) == limit {
			out.Next = out.Jobs[limit-1].ID
			break
		}
		out.Jobs = append(out.Jobs, j.Job)
	}
	api.Write(w, http.StatusOK, out)
}

func (s *Server) track(w http.ResponseWriter, r *http.Request) {
	var content []byte
	s.with(w, r, func(j *job) {
		if j.State != sx.StateDone {
			api.WriteError(w, sx.NewError(sx.CodeConflict, "job %s is %s", j.ID, j.State))
			return
		}
		content = j.track
	})
	if content != nil {
		w.Header().Set("ETag", `"`+Digest(content)+`"`)
		w.Header().Set("Content-Type", "audio/mpeg")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	ids := r.URL.Query()[api.QueryID]
	if len(ids) == 0 || len(ids) > api.MaxIDs {
		api.WriteError(w, sx.NewError(sx.CodeInvalid, "name 1 to %d jobs", api.MaxIDs))
		return
	}
	seen := strings.Split(r.Header.Get("Last-Event-ID"), ",")
	if len(seen) != len(ids) {
		seen = make([]string, len(ids))
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for {
		text, ended, changed := s.news(ids, seen)
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
		if ended {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
	}
}

// news gives the events since seen, which it brings up to date.
func (s *Server) news(ids, seen []string) (text string, ended bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended = true
	for i, id := range ids {
		j := s.find(id)
		rev, kind, data := "gone", api.EventGone, []byte(`{"id":"`+id+`"}`)
		if j != nil {
			rev, kind = strconv.Itoa(j.rev), api.EventJob
			data, _ = json.Marshal(j.Job)
			ended = ended && j.State.Final()
		}
		if seen[i] != rev {
			seen[i] = rev
			text += fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", strings.Join(seen, ","), kind, data)
		}
	}
	if ended {
		text += "event: " + api.EventEnd + "\ndata: {}\n\n"
	} else if text == "" {
		text = ":\n"
	}
	return text, ended, s.changed
}
