package acceptance_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
	"github.com/soundextract/sx/server/testkit/mongodb"
	"github.com/soundextract/sx/server/testkit/stack"
)

// TestSoak lets accounts convert videos with sx, one after the other, while at random
// moments the services, RabbitMQ, MongoDB and sx itself are killed or stopped, and
// MongoDB's disk is filled. Afterwards, each account must have every MP3, with the sound
// of an undisturbed conversion, and no job twice. SX_SOAK is the duration in minutes; a
// short run is part of every test run.
func TestSoak(t *testing.T) {
	parallel(t)
	programs(t)
	testkit.Need(t, "ffmpeg")
	accounts, duration := 8, 45*time.Second
	if minutes := os.Getenv("SX_SOAK"); minutes != "" {
		n, err := strconv.Atoi(minutes)
		if err != nil || n < 1 {
			t.Fatalf("SX_SOAK=%q is not a number of minutes", minutes)
		}
		accounts, duration = 50, time.Duration(n)*time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), duration+20*time.Minute)
	defer cancel()
	tb := testkit.RepeatFailure(t)
	b := &batch{t: tb, ctx: ctx, seed: rand.Uint64(), webhook: receive(tb)}
	tb.Logf("seed %d", b.seed)
	b.random = rand.New(rand.NewPCG(b.seed, 0))
	b.stack = stack.Start(tb, stack.Config{
		Bin: bin, Gateways: 2, Converters: 2, MongoDB: mongodb.StartOwn(tb),
		// The stand-in for MongoDB reads a whole collection for most queries. With the videos of
		// a quarter of an hour, it would do nothing else.
		GatewayFlags: []string{"--retention-videos", "1m"},
	})
	s := &soak{batch: b, videos: testkit.MakeVideos(t, 2, 3, 4, 5, 6, 8), want: map[string]string{}, done: map[string]int{}, failed: map[int]int{}}
	s.convertUndisturbed()
	for n := range accounts {
		s.accounts = append(s.accounts, s.newAccount(n+1))
	}

	ended, stop := context.WithTimeout(ctx, duration)
	defer stop()
	var group sync.WaitGroup
	defer func() { // also after a failure
		cancel()
		group.Wait()
	}()
	for _, a := range s.accounts {
		group.Go(func() { a.convertUntil(ended) })
	}
	for ended.Err() == nil {
		s.disturb(ended)
	}
	group.Wait()
	s.check()
}

// notSignedIn is the exit code of sx for an account that is not signed in.
const notSignedIn = 77

// soak is a stack with many accounts.
type soak struct {
	*batch
	videos   []string
	want     map[string]string // digests of the MP3s without their tags, by video
	accounts []*soakAccount
	done     map[string]int // disturbances, by kind

	mu     sync.Mutex
	failed map[int]int // runs of sx that were not killed, by exit code
}

// soakAccount is a user whose sx converts one video after the other.
type soakAccount struct {
	*soak
	user   uploader
	number int
	rounds int // that have ended

	running *os.Process // sx, while it converts; soak.mu protects it
}

func (s *soak) newAccount(number int) *soakAccount {
	s.t.Helper()
	gateway := s.stack.Gateways[number%len(s.stack.Gateways)].URL()
	a := &soakAccount{soak: s, number: number, user: uploader{batch: s.batch, home: s.t.TempDir(), gateway: gateway}}
	a.user.sx("correct horse battery\n", "register", fmt.Sprintf("ada%d", number), "--password-stdin")
	a.user.sx("", "notify", "webhook", "add", s.webhook.url)
	return a
}

// convertUndisturbed determines what the MP3s must be.
func (s *soak) convertUndisturbed() {
	a := s.newAccount(0)
	for _, video := range s.videos {
		out := filepath.Join(a.user.home, filepath.Base(video)+".mp3")
		a.user.sx("", "convert", video, "-o", out, "--title", filepath.Base(video))
		s.want[video] = s.digest(out)
	}
}

// digest returns the digest of an MP3 without its ID3v2 tag, which names the round.
func (s *soak) digest(path string) string {
	data, err := os.ReadFile(path)
	if err != nil || len(data) < 10 || string(data[:3]) != "ID3" {
		return fmt.Sprintf("not an MP3 with a tag: %v", err)
	}
	size := 10 + int(data[6])<<21 + int(data[7])<<14 + int(data[8])<<7 + int(data[9])
	sum := sha256.Sum256(data[min(size, len(data)):])
	return hex.EncodeToString(sum[:])
}

func (a *soakAccount) video(round int) string { return a.videos[(a.number+round)%len(a.videos)] }

func (a *soakAccount) mp3(round int) string {
	return filepath.Join(a.user.home, fmt.Sprintf("round %d.mp3", round))
}

// title makes each conversion distinct, although there are few videos.
func (a *soakAccount) title(round int) string {
	return fmt.Sprintf("account %d, round %d", a.number, round)
}

// convertUntil converts videos until the context ends, each until it has succeeded.
func (a *soakAccount) convertUntil(ended context.Context) {
	for ended.Err() == nil {
		for !a.convert(a.rounds) {
			select { // a person waits before they try again
			case <-time.After(time.Second):
			case <-a.ctx.Done():
				if errors.Is(a.ctx.Err(), context.DeadlineExceeded) { // else the test has failed
					a.t.Errorf("%s has not ended", a.title(a.rounds))
				}
				return
			}
		}
		a.rounds++
	}
}

// convert runs sx once, and reports whether it has succeeded.
func (a *soakAccount) convert(round int) bool {
	cmd := a.user.command("convert", a.video(round), "-o", a.mp3(round), "--title", a.title(round))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		a.t.Errorf("starting sx: %v", err)
		return true
	}
	a.mu.Lock()
	a.running = cmd.Process
	a.mu.Unlock()
	err := cmd.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = nil
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() { // else it was killed
		a.failed[exit.ExitCode()]++
		a.t.Logf("%s: exit code %d: %s", a.title(round), exit.ExitCode(), stderr.String())
		if exit.ExitCode() == notSignedIn {
			a.t.Errorf("%s: the account has lost its sign-in", a.title(round))
			return true // another attempt would not help
		}
	}
	return err == nil
}

// disturb kills or stops one part, or fills MongoDB's disk.
func (s *soak) disturb(ended context.Context) {
	s.pause(ended, time.Duration(s.random.IntN(1000))*time.Millisecond)
	switch n := s.random.IntN(100); {
	case n < 60:
		programs := s.stack.Programs()
		p := programs[s.random.IntN(len(programs))]
		s.logf("killing %s", p.Name)
		p.Kill(s.t)
		s.pause(ended, time.Duration(s.random.IntN(200))*time.Millisecond)
		p.Start(s.t)
		s.done["kills of services"]++
	case n < 85:
		s.killClient()
	case n < 90:
		s.logf("killing RabbitMQ")
		s.stack.Broker.Kill(s.t)
		s.pause(ended, time.Duration(s.random.IntN(3000))*time.Millisecond)
		s.stack.Broker.Restart(s.t)
		s.done["kills of RabbitMQ"]++
	case n < 96:
		s.logf("killing MongoDB")
		s.stack.MongoDB.Kill(s.t)
		s.pause(ended, time.Duration(s.random.IntN(3000))*time.Millisecond)
		s.stack.MongoDB.Resume(s.t)
		s.done["kills of MongoDB"]++
	case n < 98:
		s.fillDisk(ended)
	default:
		p := s.stack.Converters[s.random.IntN(len(s.stack.Converters))]
		s.logf("pausing %s", p.Name)
		p.Pause(s.t)
		s.pause(ended, time.Duration(s.random.IntN(30))*time.Second)
		p.Continue(s.t)
		s.done["pauses of a converter"]++
	}
}

// logf logs a disturbance with the time of day, which the logs of the programs have too.
func (s *soak) logf(format string, args ...any) {
	s.t.Helper()
	s.t.Logf("%s: %s", time.Now().UTC().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// pause waits for some time, or until the context ends.
func (s *soak) pause(ended context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ended.Done():
	}
}

// killClient kills the sx of one of the accounts.
func (s *soak) killClient() {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[s.random.IntN(len(s.accounts))]
	if a.running != nil && a.running.Kill() == nil {
		s.done["kills of sx"]++
	}
}

// fillDisk leaves MongoDB no space for some seconds.
func (s *soak) fillDisk(ended context.Context) {
	if !s.stack.MongoDB.Limit(1) {
		return
	}
	s.logf("filling the disk of MongoDB")
	s.stack.MongoDB.Kill(s.t)
	s.stack.MongoDB.Resume(s.t)
	s.pause(ended, 5*time.Second)
	s.stack.MongoDB.Limit(0)
	s.stack.MongoDB.Kill(s.t)
	s.stack.MongoDB.Resume(s.t)
	s.done["times with a full disk"]++
}

// check compares what the accounts have with what they must have, and prints it.
func (s *soak) check() {
	s.t.Helper()
	rounds, lost, different := 0, 0, 0
	for _, a := range s.accounts {
		for round := range a.rounds {
			rounds++
			_, err := os.Stat(a.mp3(round))
			switch got := s.digest(a.mp3(round)); {
			case err != nil:
				lost++
			case got != s.want[a.video(round)]:
				different++
				s.t.Errorf("%s: the MP3 has the digest %s, want %s", a.title(round), got, s.want[a.video(round)])
			}
		}
	}
	done, duplicates := s.doneJobs()
	s.until("all owners are notified", func() bool {
		jobs, _, _ := s.webhook.count()
		return jobs == done
	})
	_, notifications, requests := s.webhook.count()
	s.sweep()
	orphans := mongodb.Orphans(s.t, s.stack.Database)
	// The gateways delete videos meanwhile, whose chunks have no record for a moment.
	for deadline := time.Now().Add(timeout); orphans > 0 && time.Now().Before(deadline); {
		s.wait(time.Second)
		orphans = mongodb.Orphans(s.t, s.stack.Database)
	}
	kinds := make([]string, 0, len(s.done))
	for kind, n := range s.done {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(kinds)
	testkit.Report(s.t, "soak, seed %d: %s; %d accounts, %d MP3s, %d losses, %d other digests, %d jobs done, %d of them twice, "+
		"%d notifications in %d requests, %d orphan chunks after a sweep, failed runs of sx by exit code: %v",
		s.seed, strings.Join(kinds, ", "), len(s.accounts), rounds, lost, different, done, duplicates, notifications, requests, orphans, s.failed)
	if lost > 0 || duplicates > 0 {
		s.t.Errorf("%d MP3s are lost, and %d jobs done twice", lost, duplicates)
	}
	if notifications != done {
		s.t.Errorf("%d notifications for %d jobs", notifications, done)
	}
	if orphans != 0 {
		s.t.Errorf("%d orphan chunks are left after the sweep", orphans)
	}
	if rounds < len(s.accounts) {
		s.t.Errorf("only %d conversions of %d accounts", rounds, len(s.accounts))
	}
}

// doneJobs returns how many conversions are done, and how many of them again.
func (s *soak) doneJobs() (done, duplicates int) {
	s.t.Helper()
	cursor, err := s.stack.Database.Collection("jobs").Find(s.ctx, bson.D{{Key: "state", Value: sx.StateDone}})
	var jobs []struct {
		Owner   string
		Options struct{ Title string }
	}
	if err == nil {
		err = cursor.All(s.ctx, &jobs)
	}
	if err != nil {
		s.t.Fatalf("reading the jobs: %v", err)
	}
	seen := map[string]bool{}
	for _, j := range jobs {
		key := j.Owner + " " + j.Options.Title
		if seen[key] {
			duplicates++
			s.t.Errorf("%s was converted twice", j.Options.Title)
		}
		seen[key] = true
	}
	return len(jobs), duplicates
}
