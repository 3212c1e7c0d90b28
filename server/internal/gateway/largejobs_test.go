package gateway_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/gateway"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// TestLargeJobs has jobs of which a page has two: those that are not on a page exist too.
func TestLargeJobs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	var ids []string
	for i := range 5 {
		id := f.upload(alice, "a.mp4", video(uint64(71+i), 5000))
		f.convert(id, []byte("mp3"))
		f.change(id, func(j *sx.Job) error {
			j.Tracks[0].Title = strings.Repeat("a", store.MaxPageBytes*2/5)
			return nil
		})
		ids = append(ids, id)
	}
	slices.Sort(ids)

	t.Run("list", func(t *testing.T) {
		var got []string
		for after, more := "", true; more; more = after != "" {
			var page api.JobList
			a := f.do(alice, http.MethodGet, api.PathJobs+"?after="+after+"&id="+strings.Join(ids, "&id="), nil).want(t, http.StatusOK)
			if err := json.Unmarshal(a.body, &page); err != nil {
				t.Fatal(err)
			}
			if len(a.body) > 2*store.MaxPageBytes || len(page.Jobs) == 0 {
				t.Fatalf("a page of %d jobs, %d bytes", len(page.Jobs), len(a.body))
			}
			for _, j := range page.Jobs {
				got = append(got, j.ID)
			}
			after = page.Next
		}
		if slices.Sort(got); !slices.Equal(got, ids) {
			t.Errorf("listed %v, want %v", got, ids)
		}
	})
	t.Run("events", func(t *testing.T) {
		stream := f.watch(alice, "", append([]string{"unknown"}, ids...)...)
		got := map[string]string{}
		for range len(ids) + 1 {
			e := stream.next()
			got[e.Job.ID+e.Gone] = e.Type
		}
		for _, id := range ids {
			if got[id] != api.EventJob {
				t.Errorf("%s is %q, want %q", id, got[id], api.EventJob)
			}
		}
		if got["unknown"] != api.EventGone {
			t.Errorf("an unknown job is %q", got["unknown"])
		}
		stream.wantEnd()
	})
	t.Run("archive", func(t *testing.T) {
		a := f.do(alice, http.MethodGet, archivePath(ids...), nil).want(t, http.StatusOK)
		if r, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body))); err != nil || len(r.File) != len(ids) {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("sweep", func(t *testing.T) {
		f.clock.Advance(2 * time.Hour)
		round := gateway.NewSweep(f.gw, 10)
		for range 2 { // a video without any record is removed by the second
			if next, err := round(t.Context(), ""); err != nil || next != "" {
				t.Fatal(next, err)
			}
		}
		if got := f.videos(); !slices.Equal(got, ids) {
			t.Errorf("videos of %v, want %v", got, ids)
		}
	})
}
