package acceptance_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/soundextract/sx/cli/acceptance/programs"
)

// media creates a video with audio: media FILE SECONDS [ffmpeg output options].
func media(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: media FILE SECONDS [output options]")
	}
	cmd := []string{
		"-v", "error", "-y",
		"-f", "lavfi", "-i", "testsrc=size=160x90:rate=10:duration=" + args[1],
		"-f", "lavfi", "-i", "sine=frequency=440:duration=" + args[1],
		"-c:v", "mpeg4", "-c:a", "aac",
	}
	ts.Check(ts.Exec("ffmpeg", append(append(cmd, args[2:]...), ts.MkAbs(args[0]))...))
}

// field reads a value from a JSON file: field FILE PATH NAME sets the variable NAME,
// field FILE PATH = VALUE compares. PATH is like video.sha256 or 0.id.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: field FILE PATH NAME | field FILE PATH = VALUE")
	}
	got := lookup(ts, ts.ReadFile(args[0]), args[1])
	if args[2] != "=" {
		ts.Setenv(args[2], got)
		return
	}
	want := strings.Join(args[3:], " ")
	if (got == want) == neg {
		ts.Fatalf("%s is %q, compared with %q", args[1], got, want)
	}
}

func lookup(ts *testscript.TestScript, text, path string) string {
	var v any
	ts.Check(json.Unmarshal([]byte(text), &v))
	for _, key := range strings.Split(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(at) {
				ts.Fatalf("no element %s of %d in %s", key, len(at), path)
			}
			v = at[i]
		default:
			ts.Fatalf("nothing at %s in %s", path, text)
		}
	}
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// mp3 checks a track: mp3 FILE SECONDS [key=value of ffprobe's stream or tags …].
func mp3(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mp3 FILE SECONDS [key=value …]")
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters", ts.MkAbs(args[0])).Output()
	ts.Check(err)
	probe := string(out)
	if codec := lookup(ts, probe, "streams.0.codec_name"); codec != "mp3" {
		ts.Fatalf("%s is %s, not mp3", args[0], codec)
	}
	got, err := strconv.ParseFloat(lookup(ts, probe, "format.duration"), 64)
	ts.Check(err)
	want, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	if math.Abs(got-want) > 0.15 {
		ts.Fatalf("%s lasts %v s, want %v", args[0], got, want)
	}
	for _, kv := range args[2:] {
		path, want, _ := strings.Cut(kv, "=")
		if got := lookup(ts, probe, path); got != want {
			ts.Fatalf("%s of %s is %q, want %q", path, args[0], got, want)
		}
	}
}

// sha256sum compares a file with a digest: sha256sum FILE DIGEST.
func sha256sum(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: sha256sum FILE DIGEST")
	}
	sum := sha256.Sum256([]byte(ts.ReadFile(args[0])))
	if got := hex.EncodeToString(sum[:]); (got == args[1]) == neg {
		ts.Fatalf("%s has the digest %s, compared with %s", args[0], got, args[1])
	}
}

// killsxd kills the server of $DATA.
func killsxd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: killsxd")
	}
	if !programs.Kill(ts.Getenv("DATA")) {
		ts.Fatalf("no sxd serves %s", ts.Getenv("DATA"))
	}
}
