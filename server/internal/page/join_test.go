package page_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

const joinBox = "Make one MP3 of the files that are added together, such as those of a recorder that splits at 4 GB"

// TestJoinStory joins the files of a camera, chosen in another order, cut by a reload. What is
// sent is what sx sends, and the MP3 that of the whole files.
func TestJoinStory(t *testing.T) {
	t.Parallel()
	needModule(t)
	video := makeVideo(t, "video.mp4")
	content, part := withAudio(t, video)
	memo := gateway.Media(1000)
	names := []string{"GH010034.MP4", "GH020034.MP4", "GH010035.wav"}
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{names[2], names[1], names[0]} {
		b := content
		if filepath.Ext(name) == ".wav" {
			b = memo
		}
		paths = append(paths, filepath.Join(dir, name))
		if err := os.WriteFile(paths[len(paths)-1], b, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	held, given := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(given) })
	defer release()
	var once sync.Once
	server := gateway.New(t, func(s *gateway.Server) {
		s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch && r.Header.Get("Upload-Offset") != "0" {
				once.Do(func() { close(held); <-given })
			}
			return false
		}
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	b.Click("Options for new jobs")
	b.Click(joinBox)
	b.Choose("Choose files", paths...)
	<-held
	b.See(".uploads li", "GH010034.MP4 and 2 more files")
	b.Reload()
	release()
	b.See(".uploads li", "Choose the same 3 files together again to continue.")
	b.Choose("Choose files", paths...)
	b.Gone(".uploads", "GH010034.MP4")
	b.See("tr", "GH010034.MP4")

	job := server.Job(server.Jobs()[0].ID)
	sent := bytes.Join([][]byte{part, part, memo}, nil)
	if want := (sx.Sent{Name: names[0], Size: int64(len(sent)), SHA256: gateway.Digest(sent), AudioOnly: true}); job.Sent != want {
		t.Errorf("sent %+v, want %+v", job.Sent, want)
	}
	identity := sx.JoinedIdentity(gateway.Digest(sent), []int64{int64(len(part)), int64(len(part)), int64(len(memo))})
	for i, want := range []sx.Source{
		{Name: names[0], Size: int64(len(content)), Sent: int64(len(part)), Identity: identity},
		{Name: names[1], Size: int64(len(content)), Sent: int64(len(part)), Identity: identity},
		{Name: names[2], Size: int64(len(memo)), Sent: int64(len(memo)), Identity: identity},
	} {
		if len(job.Sources) != 3 || job.Sources[i] != want {
			t.Fatalf("the sources are %+v", job.Sources)
		}
	}
	if n := creations(server); n != 1 {
		t.Errorf("%d uploads were created, want 1 that goes on", n)
	}
	whole := encode(t, bytes.Repeat(content, 2), converter.File{Name: names[0], Size: int64(len(content))}, converter.File{Name: names[1], Size: int64(len(content))})
	if got := encode(t, bytes.Repeat(part, 2), converter.File{Name: names[0], Size: int64(len(part))}, converter.File{Name: names[1], Size: int64(len(part))}); len(whole) == 0 || !bytes.Equal(got, whole) {
		t.Errorf("the MP3 has %d bytes, that of the whole files %d", len(got), len(whole))
	}
	b.Click(names[0])
	b.See("dl", names[1]+", "+sx.FormatSize(int64(len(content)))+", only its audio was sent")
	b.See("dl", names[2])

	// Without the option, each file is a job. With it, the same file twice is refused.
	b.Click("All jobs")
	b.Choose("Choose files", paths[:2]...)
	b.Gone(".uploads", names[1])
	b.Gone(".uploads", names[2])
	if n := len(server.Jobs()); n != 3 {
		t.Errorf("%d jobs, want 3", n)
	}
	other := writeFile(t, names[2], memo)
	now := time.Now().Truncate(time.Second)
	for _, path := range []string{other, paths[0]} {
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
	}
	b.Click("Options for new jobs")
	b.Click(joinBox)
	b.Choose("Choose files", other, paths[0])
	b.See("#notices", names[2]+" would be joined twice")
}
