package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// TestJobOnTheWire pins the JSON of a job: lists are never null or absent.
func TestJobOnTheWire(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	empty := sx.Job{ID: "a", State: sx.StateUploading, Sent: sx.File{Name: "a.mp4", Size: 8}, Created: at, Updated: at}
	full := empty
	full.State, full.Attempt, full.Progress = sx.StateDone, 1, 100
	full.Sent.SHA256 = "11"
	full.Sources = []sx.File{{Name: "b.mp4", Size: 9, SHA256: "22"}}
	full.Tracks = []sx.Track{{Number: 1, ID: "a-1", Name: "a.mp3", Size: 5, SHA256: "33", Duration: 1500 * time.Millisecond}}
	full.Labels = []string{"x"}
	full.Warnings = []sx.Warning{{Code: "c", Message: "m"}}
	for _, tt := range []struct {
		job  sx.Job
		want string
	}{
		{empty, `{"id":"a","name":"a.mp4","state":"uploading","progress":25,"attempt":0,` +
			`"created":"2026-01-02T03:04:05Z","updated":"2026-01-02T03:04:05Z",` +
			`"sent":{"name":"a.mp4","size":8},"sources":[],"tracks":[],"labels":[],"warnings":[]}`},
		{full, `{"id":"a","name":"a.mp4","state":"done","progress":100,"attempt":1,` +
			`"created":"2026-01-02T03:04:05Z","updated":"2026-01-02T03:04:05Z",` +
			`"sent":{"name":"a.mp4","size":8,"sha256":"11"},"sources":[{"name":"b.mp4","size":9,"sha256":"22"}],` +
			`"tracks":[{"number":1,"name":"a.mp3","size":5,"sha256":"33","duration":1.5}],` +
			`"labels":["x"],"warnings":[{"code":"c","message":"m"}]}`},
	} {
		raw, err := json.Marshal(api.FromJob(tt.job, 2))
		if err != nil || string(raw) != tt.want {
			t.Errorf("got  %s, %v\nwant %s", raw, err, tt.want)
		}
	}
}
