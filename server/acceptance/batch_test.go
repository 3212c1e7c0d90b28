package acceptance_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
	"github.com/soundextract/sx/server/testkit/stack"
)

const (
	videoCount = 20
	timeout    = 5 * time.Minute
)

// batch is a set of videos that are uploaded to a stack, by one uploader for
// each gateway.
type batch struct {
	t             testing.TB
	ctx           context.Context
	seed          uint64
	random        *rand.Rand
	stack         *stack.Stack
	uploaders     []*uploader
	webhook       *notifications
	statesAtFault string // the jobs' states when the fault was injected

	repeats bool // a notification may be repeated
	expires bool // leases expire
}

// newBatch starts a stack for the videos.
func newBatch(tb testing.TB, videos []string) *batch {
	tb.Helper()
	t := testkit.RepeatFailure(tb)
	ctx, cancel := context.WithTimeout(t.Context(), 4*timeout)
	t.Cleanup(cancel)
	b := &batch{t: t, ctx: ctx, seed: rand.Uint64(), webhook: receive(t)}
	t.Logf("seed %d", b.seed)
	b.random = rand.New(rand.NewPCG(b.seed, 0))
	b.stack = stack.Start(t, stack.Config{Bin: bin, Gateways: 2, Converters: 2, MongoDB: mongodb.StartOwn(t)})
	each := len(videos) / len(b.stack.Gateways)
	for i, gateway := range b.stack.Gateways {
		p := &uploader{batch: b, home: t.TempDir(), gateway: gateway.URL(), videos: videos[i*each : (i+1)*each], ended: make(chan error, 1)}
		p.sx("correct horse battery\n", "register", fmt.Sprintf("ada%d", i), "--password-stdin")
		p.sx("", "notify", "webhook", "add", b.webhook.url)
		b.uploaders = append(b.uploaders, p)
	}
	return b
}

// uploader is a user with their own account, settings and gateway.
type uploader struct {
	*batch
	home    string
	gateway string // its URL

	videos         []string
	stdout, stderr strings.Builder // of the upload; read them only after it has ended
	ended          chan error
}

func (p *uploader) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.ctx, filepath.Join(bin, "sx"), args...)
	cmd.Env = []string{
		"HOME=" + p.home, "PATH=" + os.Getenv("PATH"), "NO_COLOR=1",
		"SX_SERVER=" + p.gateway, "SX_CREDENTIALS=file", "SX_CONFIG=" + filepath.Join(p.home, "config.yaml"),
		"XDG_STATE_HOME=" + filepath.Join(p.home, "state"),
	}
	return cmd
}

func (p *uploader) sx(stdin string, args ...string) {
	p.t.Helper()
	cmd := p.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("sx %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// send starts uploading all videos in parallel.
func (b *batch) send() {
	b.t.Helper()
	for _, p := range b.uploaders {
		cmd := p.command(append([]string{"upload", "--parallel", fmt.Sprint(len(p.videos))}, p.videos...)...)
		cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
		if err := cmd.Start(); err != nil {
			p.t.Fatal(err)
		}
		go func() { p.ended <- cmd.Wait() }()
	}
}

// download returns the digests of the uploader's MP3s by name.
func (p *uploader) download() map[string]string {
	p.t.Helper()
	dir := filepath.Join(p.home, "music")
	p.sx("", "download", "--all", "-o", dir)
	files, err := os.ReadDir(dir)
	if err != nil {
		p.t.Fatal(err)
	}
	digests := map[string]string{}
	for _, f := range files {
		mp3, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			p.t.Fatal(err)
		}
		sum := sha256.Sum256(mp3)
		digests[f.Name()] = hex.EncodeToString(sum[:])
	}
	return digests
}

// makeVideos creates videos between 1 and 4 MB in size, so that the first is converted
// while the last is still being uploaded.
func makeVideos(t *testing.T) []string {
	t.Helper()
	seconds := make([]int, videoCount)
	for i := range seconds {
		seconds[i] = 5 + i
	}
	return testkit.MakeVideos(t, seconds...)
}

// job contains the fields of a job's document that the tests check.
type job struct {
	ID               string               `bson:"_id"`
	State            sx.State             `bson:"state"`
	Notification     sx.NotificationState `bson:"notification"`
	Attempt          int                  `bson:"attempt"`
	LeaseExpirations int                  `bson:"lease_expirations"`
}

func (b *batch) jobs() []job {
	b.t.Helper()
	cursor, err := b.stack.Database.Collection("jobs").Find(b.ctx, bson.D{})
	var list []job
	if err == nil {
		err = cursor.All(b.ctx, &list)
	}
	if err != nil {
		b.t.Fatalf("reading the jobs: %v", err)
	}
	return list
}

func (b *batch) byID() map[string]job {
	b.t.Helper()
	all := map[string]job{}
	for _, j := range b.jobs() {
		all[j.ID] = j
	}
	return all
}

// unfinished returns the number of videos whose jobs are not final or do not
// exist yet.
func (b *batch) unfinished() int {
	b.t.Helper()
	open := videoCount
	for _, j := range b.jobs() {
		if j.State.Final() {
			open--
		}
	}
	return open
}

// shortly is an interval that misses no state of a conversion.
const shortly = 50 * time.Millisecond

// waitUntilBusy waits until some videos are being uploaded and others
// converted.
func (b *batch) waitUntilBusy() {
	b.t.Helper()
	var states map[sx.State]int
	b.poll(shortly, "jobs are being uploaded and converted", func() bool {
		states = map[sx.State]int{}
		for _, j := range b.jobs() {
			states[j.State]++
		}
		return states[sx.StateRunning] > 0
	})
	if states[sx.StateUploading] == 0 {
		b.t.Error("all videos were uploaded before the first was converted")
	}
	b.statesAtFault = fmt.Sprintf(" (%d uploading, %d queued, %d running, %d done at that time)",
		states[sx.StateUploading], states[sx.StateQueued], states[sx.StateRunning], states[sx.StateDone])
}

func (b *batch) wait(d time.Duration) {
	b.t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.ctx.Done():
		b.t.Fatal(context.Cause(b.ctx))
	}
}

// until polls cond until it returns true, not so often that the database is busy with it.
func (b *batch) until(what string, cond func() bool) {
	b.t.Helper()
	b.poll(250*time.Millisecond, what, cond)
}

// poll polls cond at the interval until it returns true.
func (b *batch) poll(interval time.Duration, what string, cond func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(timeout); !cond(); b.wait(interval) {
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: not within %v", what, timeout)
		}
	}
}
