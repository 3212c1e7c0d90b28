package gateway

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api/tus"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
)

// FuzzRange checks that a response to a short request is hardly larger than the track.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{
		"", "bytes=0-", "bytes=-1", "bytes=1-2,3-4", "bytes=" + strings.Repeat("0-0,", 15) + "0-0", "bytes=" + strings.Repeat("0-0,", 3000) + "0-0",
		"bytes=,,,", "bytes=5-1", "bytes=9223372036854775807-", "bytes=--1", "lines=1-2", "bytes=0-0\t,\t1-1",
	} {
		f.Add(seed, seed)
	}
	track := bytes.Repeat([]byte("0123456789"), 100)
	f.Fuzz(func(t *testing.T, one, two string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header["Range"] = []string{one, two}
		limitRanges(r.Header)
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "audio/mpeg")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(track))
		const ofRange, end = 200, 200 // bytes of a part's header, and of the last boundary
		if n := w.Body.Len(); n > len(track)+maxRanges*ofRange+end {
			t.Errorf("%q, %q: %d bytes of a track of %d", one, two, n, len(track))
		}
	})
}

func FuzzUploadMetadata(f *testing.F) {
	for _, seed := range []string{
		"", "filename dGFsay5tcDQ=", "filename AA==", "filename Ly4uLy4uL2V0Yy9wYXNzd2Q=,preset c3BlZWNo", "filename YQ==,bitrate MTI4,quality OQ==",
		"filename YQ==,labels YSxiLGM=,priority bG93", "filename /////w==",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		metadata, err := tus.DecodeMetadata(header)
		if err != nil {
			return
		}
		u, err := readMetadata(metadata)
		if err != nil {
			if sx.CodeOf(err) == sx.CodeInternal {
				t.Errorf("%q: %v", metadata, err)
			}
			return
		}
		if err := store.CheckName(u.Source.Name); err != nil {
			t.Errorf("%q: the name is %q: %v", metadata, u.Source.Name, err)
		}
		if len(u.Labels) > sx.MaxLabels {
			t.Errorf("%q: %d labels", metadata, len(u.Labels))
		}
	})
}
