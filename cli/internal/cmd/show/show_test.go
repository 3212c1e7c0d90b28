package show_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/cmd/show"
	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit/gateway"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	clitest.TestJobIDs(t, show.NewCmd, func(ids []string, json bool) show.Options {
		return show.Options{IDs: ids, JSON: json}
	})
}

func TestShow(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	now := time.Now()
	created, updated := now.Add(-150*time.Minute), now.Add(-90*time.Minute)
	sent, made := strings.Repeat("a", 64), strings.Repeat("b", 64) // digests
	for name, tt := range map[string]struct {
		change func(j *sx.Job)
		want   string // after the creation and update
		before string // before them
	}{
		"uploading": {
			func(j *sx.Job) {},
			"source      1.5 MB\noptions     preset standard\nnext        if the upload was interrupted, run the same command again\n",
			"state       uploading\nprogress    0%\n",
		},
		"running": {
			func(j *sx.Job) {
				j.State, j.Attempt, j.Progress, j.Remaining = sx.StateRunning, 2, 41.6, 75*time.Second
				j.Sent.SHA256 = sent
			},
			"source      1.5 MB\nsent        1.5 MB\n  sha256    AA\noptions     preset standard\nnext        follow it with: sx watch ID\n",
			"state       running\nprogress    41%, 1:15 left\nattempt     2\n",
		},
		"running for the first seconds": {
			func(j *sx.Job) { j.State, j.Attempt, j.Progress = sx.StateRunning, 1, 1 },
			"source      1.5 MB\noptions     preset standard\nnext        follow it with: sx watch ID\n",
			"state       running\nprogress    1%\n",
		},
		"joined": {
			func(j *sx.Job) {
				identity := "join1:" + strings.Repeat("c", 64)
				j.Sources = []sx.Source{
					{Name: "a.MTS", Size: 4_000_000_000, Sent: 61_000_000, Identity: identity}, {Name: "b.MTS", Size: 900_000, Sent: 900_000, Identity: identity},
				}
			},
			"source      61 MB of audio from 4.0 GB, a.MTS\nsource      900 kB, b.MTS\n  identity  join1:cccccccccccccccc…\noptions     preset standard\nnext        if the upload was interrupted, run the same command again\n",
			"state       uploading\nprogress    0%\n",
		},
		"done": {
			func(j *sx.Job) {
				j.State, j.Attempt, j.Progress = sx.StateDone, 1, 100
				j.Sent.SHA256 = sent
				j.Tracks = []sx.Track{{Number: 1, Name: "talk.mp3", Size: 960_000, SHA256: made, Duration: time.Minute}}
			},
			"source      1.5 MB\nsent        1.5 MB\n  sha256    AA\noptions     preset standard\nmp3         1:00, 960 kB, 128 kbit/s\n  sha256    BB\nnext        download the MP3 with: sx download ID\n",
			"state       done\n",
		},
		"done, with warnings": {
			func(j *sx.Job) {
				j.State, j.Attempt = sx.StateDone, 1
				j.Tracks = []sx.Track{{Number: 1, Name: "talk.mp3", Size: 960_000, SHA256: made, Duration: time.Minute}}
				j.Warnings = []sx.Warning{{Code: "truncated", Message: "the sound ends after 1:00"}, {Code: "tags", Message: "the cover is lost"}}
			},
			"source      1.5 MB\noptions     preset standard\nmp3         1:00, 960 kB, 128 kbit/s\n  sha256    BB\n" +
				"warning     the sound ends after 1:00 (truncated)\nwarning     the cover is lost (tags)\nnext        download the MP3 with: sx download ID\n",
			"state       done\n",
		},
		"audio only, with tags and labels": {
			func(j *sx.Job) {
				quality := 0
				j.State, j.Attempt, j.Sent.AudioOnly, j.Labels = sx.StateDone, 1, true, []string{"week 1", "maths"}
				j.Sources = []sx.Source{{Name: "talk.mp4", Size: 400_000_000, Identity: "audio1:0123456789abcdef0123"}}
				j.Options = sx.Options{Quality: &quality, Mono: true, Track: "2", KeepAllTags: true, Start: 90, End: 3723.25, Loudness: "auto", Title: "A \"B\""}
				j.Tracks = []sx.Track{{Number: 1, Name: "talk.mp3", Size: 960_000, SHA256: made, Duration: time.Minute, Title: "A \"B\"", Artist: "C"}}
			},
			"source      1.5 MB of audio from 400 MB\n  identity  audio1:0123456789abcdef…\n" +
				"options     quality 0, mono, audio track 2, all tags, from 1:30, to 1:02:03.25, loudness auto, title \"A \\\"B\\\"\"\n" +
				"mp3         1:00, 960 kB, 128 kbit/s\n  title     A \"B\"\n  artist    C\n  sha256    BB\nlabels      week 1, maths\nnext        download the MP3 with: sx download ID\n",
			"state       done\n",
		},
		"several MP3s": {
			func(j *sx.Job) {
				j.State, j.Attempt, j.Options = sx.StateDone, 1, sx.Options{SplitEvery: 1800}
				j.Tracks = []sx.Track{
					{Number: 1, Name: "talk - 01.mp3", Size: 960_000, SHA256: made, Duration: time.Minute, Title: "Intro"},
					{Number: 2, Name: "talk - 02.mp3", Size: 960_000, SHA256: made, Duration: time.Minute},
				}
			},
			"source      1.5 MB\noptions     preset standard, split every 30:00\nmp3s        2, 2:00, 1.9 MB, 128 kbit/s\n" +
				"  1         1:00, 960 kB, 128 kbit/s, Intro\n  2         1:00, 960 kB, 128 kbit/s, talk - 02.mp3\nnext        download the MP3s with: sx download ID\n",
			"state       done\n",
		},
		"done, the video is kept for now": {
			func(j *sx.Job) {
				j.State, j.Attempt, j.Ended = sx.StateDone, 1, now.Add(-time.Minute)
				j.Tracks = []sx.Track{{Number: 1, Name: "talk.mp3", Size: 960_000, SHA256: made, Duration: time.Minute}}
			},
			"source      1.5 MB\noptions     preset standard\nmp3         1:00, 960 kB, 128 kbit/s\n  sha256    BB\n" +
				"video       kept until WEEK (in 6d)\nnext        download the MP3 with: sx download ID\n",
			"state       done\n",
		},
		"done, without the video": {
			func(j *sx.Job) {
				j.State, j.Attempt, j.Ended, j.VideoDeleted = sx.StateDone, 1, now.Add(-time.Minute), true
				j.Tracks = []sx.Track{{Number: 1, Name: "talk.mp3", Size: 960_000, SHA256: made, Duration: time.Minute}}
			},
			"source      1.5 MB\noptions     preset standard\nmp3         1:00, 960 kB, 128 kbit/s\n  sha256    BB\nvideo       deleted\nnext        download the MP3 with: sx download ID\n",
			"state       done\n",
		},
		"failed, kept for now": {
			func(j *sx.Job) { j.State, j.Attempt, j.Ended = sx.StateFailed, 1, now.Add(-time.Minute) },
			"source      1.5 MB\noptions     preset standard\nkept        until MONTH (in 29d)\nnext        upload the file again\n",
			"state       failed\n",
		},
		"failed": {
			func(j *sx.Job) {
				j.State, j.Attempt = sx.StateFailed, 1
				j.Error = sx.NewError(sx.CodeTruncated, "the video ends after 2 of 60 s")
			},
			"source      1.5 MB\noptions     preset standard\nerror       the video ends after 2 of 60 s (truncated)\n" +
				"hint        the file ends too early; copy or export it again, then upload it again\n",
			"state       failed\n",
		},
		"failed, with its history": {
			func(j *sx.Job) {
				j.State, j.Attempt, j.Queued = sx.StateFailed, 2, created.Add(time.Minute)
				j.Error = sx.NewError(sx.CodeTruncated, "the file ends too early")
				j.Attempts = []sx.Attempt{
					{Number: 1, Host: "converter-0", Started: created.Add(2 * time.Minute), Ended: created.Add(5 * time.Minute), Result: sx.AttemptLost},
					{
						Number: 2, Host: "converter-1", Started: created.Add(6 * time.Minute), Ended: created.Add(6*time.Minute + 4*time.Second),
						Result: sx.AttemptFailed, Error: j.Error, Messages: []string{"[mov] moov atom not found", "Invalid data"},
					},
				}
			},
			"source      1.5 MB\noptions     preset standard\nerror       the file ends too early (truncated)\n" +
				"hint        the file ends too early; copy or export it again, then upload it again\n",
			"state       failed\n",
		},
		"failed, may be tried again": {
			func(j *sx.Job) {
				j.State, j.Attempt = sx.StateFailed, 4
				j.Error = sx.NewError(sx.CodeConversionFailed, "ffmpeg crashed")
			},
			"source      1.5 MB\noptions     preset standard\nerror       ffmpeg crashed (conversion_failed)\nhint        try again with: sx retry ID\n",
			"state       failed\nattempt     4\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := server.Add("talk.mp4", sx.StateUploading, nil)
			server.Change(id, func(j *sx.Job) {
				j.Sent.Size, j.Created, j.Updated = 1_500_000, created, updated
				j.Sources = []sx.Source{{Name: "talk.mp4", Size: 1_500_000}}
				tt.change(j)
			})
			streams, out, _ := term.Test("")
			cmd := show.NewCmd(&cmdutil.Factory{
				IO: streams, Client: func() (*client.Client, error) { return server.Client(t), nil },
			}, nil)
			if err := clitest.Run(t, cmd, id); err != nil {
				t.Fatal(err)
			}
			history := ""
			if name == "failed, with its history" {
				at := func(d time.Duration) string { return created.Add(d).Format(time.DateTime) }
				history = "queued      " + at(time.Minute) + " (2h ago)\n" +
					"attempt 1   " + at(2*time.Minute) + ", lost after 3m on converter-0\n" +
					"attempt 2   " + at(6*time.Minute) + ", failed after 4s on converter-1\n" +
					"  ffmpeg    [mov] moov atom not found\n  ffmpeg    Invalid data\n"
			}
			want := "id          " + id + "\nname        talk.mp4\n" + tt.before +
				"created     " + created.Format(time.DateTime) + " (2h ago)\n" + history +
				"updated     " + updated.Format(time.DateTime) + " (1h ago)\n" + strings.NewReplacer("ID", id, "AA", sent, "BB", made,
				"WEEK", now.Add(7*24*time.Hour-time.Minute).Format(time.DateTime), "MONTH", now.Add(30*24*time.Hour-time.Minute).Format(time.DateTime)).Replace(tt.want)
			if diff := cmp.Diff(want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNarrowTerminal checks that long values are broken between words below themselves.
func TestNarrowTerminal(t *testing.T) {
	t.Parallel()
	server := gateway.New(t)
	id := server.Add("talk.mp4", sx.StateFailed, nil)
	server.Change(id, func(j *sx.Job) { j.Error = sx.NewError(sx.CodeTruncated, "the video ends after 2 of 60 s") })
	streams, screen := term.TestTerminal("", 40, 24)
	cmd := show.NewCmd(&cmdutil.Factory{
		IO: streams, Client: func() (*client.Client, error) { return server.Client(t), nil },
	}, nil)
	if err := clitest.Run(t, cmd, id); err != nil {
		t.Fatal(err)
	}
	shown := string(screen.Bytes())
	const want = "error       the video ends after 2 of 60\n            s (truncated)\n"
	if !strings.Contains(shown, want) {
		t.Errorf("%q is not in\n%s", want, shown)
	}
	for line := range strings.Lines(shown) {
		if len(line) > 40+1 {
			t.Errorf("%q is wider than the terminal", line)
		}
	}
}
