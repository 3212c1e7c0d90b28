//go:build unix

package root_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/root"
	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/cli/internal/term"
)

// withSXD puts this program into PATH as an sxd with the given behaviour.
func withSXD(t *testing.T, behaviour string) (dir string) {
	t.Helper()
	dir = home(t)
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.Args[0], filepath.Join(bin, "sxd")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	t.Setenv(clitest.EnvSXD, behaviour)
	return dir
}

type upResult struct {
	URL  string `json:"url"`
	Data string `json:"data"`
	PID  int    `json:"pid"`
}

func up(t *testing.T, args ...string) (got upResult) {
	t.Helper()
	r := run(t, append([]string{"up", "--detach", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != 0 {
		t.Fatalf("exit %d, %v\n%s%s", r.code, err, r.out, r.errOut)
	}
	t.Cleanup(func() { _ = syscall.Kill(got.PID, syscall.SIGKILL) })
	return got
}

func TestUpAndDown(t *testing.T) {
	home := withSXD(t, clitest.Well)
	data := filepath.Join(home, "data")
	run(t, "down").wantPart(t, 0, "The local server is not running")

	first := up(t, "--addr", "127.0.0.1:0", "--data", data)
	if first.Data != data || !strings.HasPrefix(first.URL, "http://127.0.0.1:") {
		t.Errorf("got %+v", first)
	}
	run(t, "config").wantPart(t, 0, "server\t"+first.URL+"\tcontext local\n", "context\tlocal\t"+filepath.Join(home, "config.yaml"))
	if got := localserver.OwnerToken(data); got == "" {
		t.Error("no owner's token")
	}

	// From here on, the directory and the address are stored.
	if again := up(t); again != first {
		t.Errorf("while it runs: %+v, want %+v", again, first)
	}
	run(t, "up").want(t, 0, "The local server is already running at "+first.URL+"\n", "data: "+data+"\n")
	run(t, "up", "--addr", "127.0.0.1:1").wantPart(t, 1, "is already running at", "sx down")

	run(t, "down").want(t, 0, "Stopped the local server (data: "+data+")\n", "")
	run(t, "down", "--json").want(t, 0, `{"data":"`+data+`","stopped":false}`+"\n", "")
	second := up(t)
	if second.URL != first.URL || second.PID == first.PID {
		t.Errorf("after a stop: %+v, want the address of %+v", second, first)
	}

	// A crash leaves the instance file.
	kill(t, second.PID)
	third := up(t)
	if third.URL != first.URL || third.Data != data {
		t.Errorf("after a crash: %+v, want the address of %+v", third, first)
	}
	kill(t, third.PID)
	run(t, "down", "--data", data).wantPart(t, 0, "is not running")
	if localserver.Recorded(data) != nil {
		t.Error("the stale record is still there")
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// A child of this process, which remains a zombie until Start waits for it.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for syscall.Kill(pid, 0) == nil && t.Context().Err() == nil {
		<-tick.C
	}
}

func TestUpInTheForeground(t *testing.T) {
	withSXD(t, clitest.Well)
	ctx, cancel := context.WithCancel(t.Context())
	streams, out, errOut := term.Test("")
	streams.Out = onWrite{out, cancel} // Ctrl-C as soon as it runs
	code := root.Main(ctx, []string{"up", "--addr", "127.0.0.1:0"}, streams)
	result{code, out.String(), errOut.String()}.
		wantPart(t, 0, "The local server is running at http://127.0.0.1:", "next: in another terminal, sx convert VIDEO", "Ctrl-C", ".local/share/soundextract")
	run(t, "down").wantPart(t, 0, "is not running")
}

type onWrite struct {
	to interface{ Write([]byte) (int, error) }
	do func()
}

func (w onWrite) Write(p []byte) (int, error) {
	defer w.do()
	return w.to.Write(p)
}

func TestUpFails(t *testing.T) {
	withSXD(t, clitest.NoFFmpeg)
	run(t, "up", "--detach").want(t, 69, "",
		"error: the local server did not start: ffmpeg not found\nhint: install it with: apt-get install ffmpeg\n")
	t.Setenv(clitest.EnvSXD, clitest.Well)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	run(t, "up", "--detach", "--addr", l.Addr().String()).wantPart(t, 69, "cannot listen at "+l.Addr().String())
	t.Setenv("PATH", "")
	run(t, "up", "--detach").wantPart(t, 65, "sxd, the local server, not found", "next to sx")
	if run(t, "config").code != 0 {
		t.Error("a failed start must not change the settings")
	}
}

func TestUpWarns(t *testing.T) {
	withSXD(t, clitest.Well)
	t.Setenv("SX_SERVER", "http://elsewhere")
	run(t, "up", "--detach", "--addr", "0.0.0.0:0").wantPart(t, 77,
		"warning: 0.0.0.0:0 is reachable from other machines", "set a password first", "sx passwd")
	run(t, "up", "--detach", "--addr", "127.0.0.1:0").wantPart(t, 0, "warning: commands still use http://elsewhere (SX_SERVER)")
	run(t, "down").wantPart(t, 0, "Stopped the local server")

	t.Setenv("SX_SERVER", "")
	if in := up(t); !strings.HasPrefix(in.URL, "http://127.0.0.1:") {
		t.Errorf("at %s, without being asked to", in.URL)
	}
	if r := run(t, "up"); strings.Contains(r.errOut, "warning") {
		t.Errorf("a warning for nothing: %s", r.errOut)
	}
	run(t, "down").wantPart(t, 0, "Stopped the local server")
}

func TestUpStopsIfConfigIsNotWritable(t *testing.T) {
	home := withSXD(t, clitest.Well)
	// The directory of the config file cannot be made.
	t.Setenv("SX_CONFIG", filepath.Join(home, "dangling", "config.yaml"))
	if err := os.Symlink("/proc/nowhere", filepath.Join(home, "dangling")); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(home, "data")
	run(t, "up", "--detach", "--addr", "127.0.0.1:0", "--data", data).wantPart(t, 65, "cannot write the config file")
	if in := localserver.Recorded(data); in != nil {
		t.Errorf("the server still runs: %s", fmt.Sprint(in))
	}
}

func TestTwoServers(t *testing.T) {
	home := withSXD(t, clitest.Well)
	a, b, c := filepath.Join(home, "a"), filepath.Join(home, "b"), filepath.Join(home, "c")
	for _, data := range []string{a, b, c} {
		up(t, "--addr", "127.0.0.1:0", "--data", data)
	}
	run(t, "config").wantPart(t, 0, "context\tc\t")
	run(t, "config", "use", "local").wantPart(t, 0, "Switched to context local")
	run(t, "down").want(t, 0, "Stopped the local server (data: "+a+")\n", "")
	// The one in use does not run, and two others do.
	run(t, "down").wantPart(t, 64, "2 local servers are running", "sx down --data "+b, "sx down --all")
	run(t, "down", "--data", b).want(t, 0, "Stopped the local server (data: "+b+")\n", "")
	run(t, "down").want(t, 0, "Stopped the local server (data: "+c+")\n", "")
	run(t, "down", "--all", "--json").want(t, 0,
		`{"data":"`+b+`","stopped":false}`+"\n"+`{"data":"`+c+`","stopped":false}`+"\n"+`{"data":"`+a+`","stopped":false}`+"\n", "")
	run(t, "down", "--all", "--data", a).wantPart(t, 64, "mutually exclusive")
}

func TestUpTakesAFreePort(t *testing.T) {
	withSXD(t, clitest.Well)
	first := up(t, "--addr", "127.0.0.1:0")
	run(t, "down").wantPart(t, 0, "Stopped")
	// Another program, or another user's server, listens there now.
	l, err := net.Listen("tcp", strings.TrimPrefix(first.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if second := up(t); second.URL == first.URL || !strings.HasPrefix(second.URL, "http://127.0.0.1:") {
		t.Errorf("at %s", second.URL)
	}
	run(t, "down").wantPart(t, 0, "Stopped")
}

func TestNoServerSet(t *testing.T) {
	home := withSXD(t, clitest.Well)
	video := filepath.Join(home, "talk.mp4")
	if err := os.WriteFile(video, []byte("\x00\x00\x00\x18ftypmp42"), 0o600); err != nil {
		t.Fatal(err)
	}
	const start = "hint: start one on this machine with: sx up -d; or name one with --server URL\n"
	for _, args := range [][]string{{"convert", video}, {"upload", video}, {"jobs"}, {"login", "anna"}, {"register"}, {"whoami"}} {
		run(t, args...).want(t, 69, "", "error: no server set\n"+start)
	}
	// Only commands that can begin with an empty server offer to start one.
	sxIn(t, "y\n", terminal, "jobs").want(t, 69, "", "error: no server set\n"+start)
	no := sxIn(t, "n\n", terminal, "upload", video)
	no.want(t, 69, "", "No server set. Convert on this machine? [Y/n] error: no server set\n"+start)
	// There is nothing to ask where no server could help.
	notes := filepath.Join(home, "notes.txt")
	if err := os.WriteFile(notes, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	mp3 := filepath.Join(home, "song.mp3")
	if err := os.WriteFile(mp3, []byte("ID3\x04\x00\x00\x00\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"convert", notes}, 65, "error: " + notes + ": the file is text, not a video or audio file\n"},
		{[]string{"upload", notes}, 65, "error: " + notes + ": the file is text, not a video or audio file\n"},
		{[]string{"convert", "--join", notes, video}, 65, "error: " + notes + ": the file is text, not a video or audio file\n"},
		{[]string{"convert", video, "--bwlimit", "fast"}, 64, `invalid bandwidth limit "fast"`},
		{[]string{"upload", video, "--bwlimit", "fast"}, 64, `invalid bandwidth limit "fast"`},
		{[]string{"convert", mp3, "-o", mp3, "--force"}, 65, mp3 + " is one of the files to convert"},
		{[]string{"convert", video, "-o", filepath.Join(mp3, "talk.mp3")}, 65, "not a directory"},
	} {
		got := sxIn(t, "y\n", terminal, tt.args...)
		got.wantPart(t, tt.code, tt.want)
		if strings.Contains(got.errOut, "[Y/n]") {
			t.Errorf("%v asks:\n%s", tt.args, got.errOut)
		}
	}
	// A personal token belongs to an existing server.
	t.Setenv("SX_TOKEN", "sxp_aaaaaaaaaaaaaaaaaaaaaaaa")
	sxIn(t, "y\n", terminal, "upload", video).want(t, 69, "", "error: no server set\n"+start)
	t.Setenv("SX_TOKEN", "")
	// Without sxd there is nothing to ask.
	t.Setenv("PATH", "")
	sxIn(t, "y\n", terminal, "upload", video).wantPart(t, 65, "sxd, the local server, not found")

	t.Setenv("KUBECONFIG", filepath.Join(home, "none"))
	run(t, "status").wantPart(t, 69, "no server set, and no kubeconfig found", "sx up -d", "--kubeconfig")
}
