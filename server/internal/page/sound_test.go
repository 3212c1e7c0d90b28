package page_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/soundextract/sx/server/audioonly"
	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/converter/ffmpeg"
	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/chromium"
	"github.com/soundextract/sx/server/testkit/gateway"
)

const modulePath = "/page/audio/audio.wasm"

// needModule skips the test, or fails it in make test, if the module was not built.
func needModule(t *testing.T) {
	t.Helper()
	testkit.SkipShort(t)
	if get(modulePath).Code != http.StatusOK {
		testkit.Missing(t, "the module for browsers is not built: run make wasm")
	}
}

func TestModule(t *testing.T) {
	t.Parallel()
	needModule(t)
	plain := get(modulePath)
	packed := get(modulePath, "Accept-Encoding", "br, gzip")
	unpacked, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpacked)
	if err != nil || !bytes.Equal(content, plain.Body.Bytes()) || !bytes.HasPrefix(content, []byte("\x00asm")) {
		t.Errorf("the module has %d bytes, %d without compression, %v", len(content), plain.Body.Len(), err)
	}
	if got := packed.Header().Get("Content-Type"); got != "application/wasm" {
		t.Errorf("the module is %s", got)
	}
	if again := get(modulePath, "Accept-Encoding", "gzip", "If-None-Match", packed.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("the module is sent again: status %d", again.Code)
	}
}

// makeVideo creates a video whose audio alone takes several requests.
func makeVideo(t *testing.T, name string) string {
	t.Helper()
	testkit.Need(t, "ffmpeg", "ffprobe")
	path := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error",
		"-f", "lavfi", "-i", "anoisesrc=d=15:c=pink:r=48000:seed=1", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=15",
		"-c:a", "aac", "-b:a", "192k", "-c:v", "mpeg4", "-q:v", "2", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// encode returns the MP3 of a video or of its audio, or of files that are joined.
func encode(t *testing.T, video []byte, files ...converter.File) []byte {
	t.Helper()
	transcoder, err := ffmpeg.New(context.Background(), ffmpeg.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var mp3 bytes.Buffer
	size := int64(len(video))
	_, err = transcoder.Transcode(context.Background(), converter.Input{Video: io.NewSectionReader(bytes.NewReader(video), 0, size), Size: size, Files: files}, converter.Output{
		Progress: func(converter.Progress) {},
		Put: func(_ int, head store.Head, body io.Reader) error {
			rest, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			first, err := head.Read()
			mp3.Write(first)
			mp3.Write(rest)
			return err
		},
	})
	if err != nil {
		t.Error(err)
	}
	return mp3.Bytes()
}

// withAudio returns the content of a video and what sx sends of it.
func withAudio(t *testing.T, path string) (video, sent []byte) {
	t.Helper()
	video, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	audio, err := audioonly.Open(bytes.NewReader(video), int64(len(video)), audioonly.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if sent, err = io.ReadAll(io.NewSectionReader(audio, 0, audio.Size())); err != nil {
		t.Fatal(err)
	}
	return video, sent
}

// TestSoundOnlyStory uploads a video of which the browser sends only the audio, cut by a reload.
// What is sent is what sx sends, and the MP3 that of the whole file.
func TestSoundOnlyStory(t *testing.T) {
	t.Parallel()
	needModule(t)
	path := makeVideo(t, "lecture.mp4")
	video, sent := withAudio(t, path)

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
		s.Convert = func(stored []byte) []byte { return encode(t, stored) }
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	b.Choose("Choose files", path)
	<-held
	b.See(".uploads li", "of "+sx.FormatSize(int64(len(sent)))+" of audio; the video of "+sx.FormatSize(int64(len(video)))+" stays here")
	b.Reload()
	release()
	b.See(".uploads li", "Choose the same file again to continue.")
	b.Choose("Choose files", path)
	b.Gone(".uploads", "lecture.mp4")
	b.See("tr", "done")

	id := server.Jobs()[0].ID
	job := server.Job(id)
	if want := (sx.Sent{Name: "lecture.mp4", Size: int64(len(sent)), SHA256: gateway.Digest(sent), AudioOnly: true}); job.Sent != want {
		t.Errorf("sent %+v, want %+v", job.Sent, want)
	}
	if want := (sx.Source{Name: "lecture.mp4", Size: int64(len(video)), Identity: "audio1:" + gateway.Digest(sent)}); job.Sources[0] != want {
		t.Errorf("the source is %+v, want %+v", job.Sources[0], want)
	}
	if want := gateway.Digest(encode(t, video)); job.Tracks[0].SHA256 != want {
		t.Errorf("the MP3 is %s, that of the whole file %s", job.Tracks[0].SHA256, want)
	}
	if n := creations(server); n != 1 {
		t.Errorf("%d uploads were created, want 1 that goes on", n)
	}
	b.Click("lecture.mp4")
	b.See("dl", sx.FormatSize(int64(len(video)))+", only its audio was sent")
}

// TestReadersDuringAnOutage checks that the whole video is not sent because the readers could
// not be loaded at first.
func TestReadersDuringAnOutage(t *testing.T) {
	t.Parallel()
	needModule(t)
	var mu sync.Mutex
	requests := map[string]int{}
	server := gateway.New(t, func(s *gateway.Server) {
		s.Before = func(w http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			path := r.URL.Path
			requests[path]++
			switch n := requests[path]; {
			case n == 1 && (path == modulePath || path == "/page/upload/audioworker.js"):
				w.WriteHeader(http.StatusBadGateway)
				return true
			case (n == 2 || n == 3) && path == "/page/audio/wasm_exec.js":
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = w.Write([]byte("<title>Sign in to the network</title>"))
				return true
			}
			return false
		}
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	b.Choose("Choose files", makeVideo(t, "lecture.mp4"))
	b.See("tr", "lecture.mp4")
	b.Gone(".uploads", "lecture.mp4")
	if job := server.Job(server.Jobs()[0].ID); !job.Sent.AudioOnly {
		t.Errorf("the whole file was sent: %+v", job.Sent)
	}
	mu.Lock()
	defer mu.Unlock()
	if requests[modulePath] < 2 || requests["/page/upload/audioworker.js"] < 2 || requests["/page/audio/wasm_exec.js"] < 4 {
		t.Errorf("the requests were %v", requests)
	}
}

// TestWholeFiles checks that the page says why a whole file is sent.
func TestWholeFiles(t *testing.T) {
	t.Parallel()
	needModule(t)
	given := make(chan struct{})
	release := sync.OnceFunc(func() { close(given) })
	defer release()
	server := gateway.New(t, func(s *gateway.Server) {
		s.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch {
				<-given
			}
			return false
		}
	})
	b := chromium.NewTab(t, server.URL)
	b.Register("anna")
	media := gateway.Media(1000)
	b.Choose("Choose files", writeFile(t, "memo.wav", media))
	b.See(".uploads li", "the whole file is sent: the audio cannot be taken out of WAV files")
	release()
	b.Gone(".uploads", "memo.wav")
	if got := server.Job(server.Jobs()[0].ID); got.Sent.AudioOnly || got.Sources[0].Identity != "file1:"+gateway.Digest(media) {
		t.Errorf("sent %+v of %+v", got.Sent, got.Sources[0])
	}
}
