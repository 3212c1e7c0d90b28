package term_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soundextract/sx/cli/internal/clitest"
	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

// story is a run of a command at a terminal. It calls look where the screen is compared.
type story func(d *term.ProgressDisplay, look func(moment string))

var stories = map[string]story{
	"convert": convertStory,
	"upload":  uploadStory,
	"single":  singleStory,
	"outage":  outageStory,
}

func sleep(seconds float64) { <-time.After(time.Duration(seconds * float64(time.Second))) }

var lectures = []string{"Introduction to Acoustics", "Introduction to Rooms", "Waves", "Hearing", "Microphones", "Loudspeakers", "Rooms", "Codecs", "Formats", "Questions"}

// convertStory converts ten lectures; some are there already, and one fails.
func convertStory(d *term.ProgressDisplay, look func(string)) {
	const size = 57_000_000
	bars := make([]*term.ProgressBar, len(lectures))
	for i, title := range lectures {
		bars[i] = d.Add(fmt.Sprintf("Lecture %02d - %s.mp4", i+1, title), size, "uploading", "converting", "downloading")
	}
	look("1-before")
	bars[0].Done("already there")
	bars[1].Fail(sx.NewError(sx.CodeNoAudio, "there is no audio in the video"), "check the recording, or choose another file", true)
	bars[2].Start("uploading", 0, size)
	bars[3].Start("uploading", size/2, size)
	for i := range 20 {
		sleep(0.5)
		bars[2].Set(int64(i+1) * 1_000_000)
		bars[3].Set(size/2 + int64(i+1)*400_000)
	}
	look("2-uploading")
	bars[2].Percent("verifying", 100, 0)
	bars[3].Percent("queued", 0, 0)
	sleep(3)
	look("3-waiting")
	bars[2].Percent("converting", 40, 70*time.Second)
	bars[3].Start("downloading", 0, size)
	sleep(1)
	bars[3].Set(size / 4)
	sleep(1)
	look("4-converting")
	for _, b := range bars[2:] {
		b.Done("converted")
	}
	sleep(120)
}

// uploadStory uploads more files than fit.
func uploadStory(d *term.ProgressDisplay, look func(string)) {
	const size = 150_000_000
	var bars []*term.ProgressBar
	for i := range 40 {
		bars = append(bars, d.Add(fmt.Sprintf("week%d/talk.mp4", i+1), size))
	}
	for _, b := range bars[:11] {
		b.Start("uploading", 0, size)
		sleep(5)
		b.Set(size / 2)
		sleep(5)
		b.Set(size)
		b.Done("uploaded")
	}
	bars[11].Start("uploading", 0, size)
	bars[12].Start("uploading", 0, size)
	sleep(4)
	bars[11].Set(20_000_000)
	bars[12].Set(5_000_000)
	look("1-uploading")
	bars[11].Fail(errors.New("the file changed during the upload"), "run the same command to upload it again", true)
	bars[12].Done("uploaded")
}

func singleStory(d *term.ProgressDisplay, look func(string)) {
	b := d.Add("The Art of Recording Speech in Reverberant Rooms (part 1 of 2).mkv", 4_100_000_000, "uploading", "converting", "downloading")
	b.Percent("reading", 0, 0)
	sleep(2)
	look("1-reading")
	b.Say("57 MB of audio from 4.1 GB; the video stays here")
	b.Start("uploading", 0, 57_000_000)
	for i := range 8 {
		sleep(1)
		b.Set(int64(i+1) * 400_000)
	}
	look("2-uploading")
	b.Done("converted")
}

func outageStory(d *term.ProgressDisplay, look func(string)) {
	b := d.Add("talk.mp4", 57_000_000)
	b.Start("uploading", 0, 57_000_000)
	sleep(1)
	b.Set(30_000_000)
	b.Wait("no connection", time.Now().Add(8*time.Second))
	sleep(3)
	look("1-pause")
	sleep(6)
	look("2-trying")
	b.Fail(errors.New("gave up"), "", false)
}

func TestScreens(t *testing.T) {
	t.Parallel()
	for name, run := range stories {
		for _, width := range []int{40, 80, 120} {
			t.Run(fmt.Sprintf("%s %d", name, width), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					const height = 18
					streams, out := term.TestTerminal("", width, height)
					d := term.NewProgressDisplay(streams)
					look := func(moment string) {
						sleep(0.2) // the block is repainted
						synctest.Wait()
						clitest.Golden(t, fmt.Sprintf("%s-%s-%d", name, moment, width), clitest.Screen(t, out.Bytes(), width, height))
					}
					run(d, look)
					d.Close()
					clitest.Golden(t, fmt.Sprintf("%s-end-%d", name, width), clitest.Screen(t, out.Bytes(), width, height))
				})
			})
		}
		t.Run(name+" in a pipe", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				streams, _, errOut := term.Test("")
				d := term.NewProgressDisplay(streams)
				run(d, func(string) {})
				d.Close()
				clitest.Golden(t, name+"-pipe", errOut.String())
			})
		})
	}
}

// TestSomethingMovesEverySecond checks that no second passes without a change on the
// screen, in whatever phase and at whatever percentage a file is.
func TestSomethingMovesEverySecond(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(b *term.ProgressBar){
		"uploading, nothing acknowledged": func(b *term.ProgressBar) { b.Start("uploading", 0, 1000) },
		"all acknowledged":                func(b *term.ProgressBar) { b.Start("uploading", 1000, 1000) },
		"queued":                          func(b *term.ProgressBar) { b.Percent("queued", 0, 0) },
		"converting":                      func(b *term.ProgressBar) { b.Percent("converting", 30, 0) },
		"verifying":                       func(b *term.ProgressBar) { b.Percent("verifying", 100, 0) },
		"trying":                          func(b *term.ProgressBar) { b.Wait("no connection", time.Now()) },
		"waiting for the next try":        func(b *term.ProgressBar) { b.Wait("no connection", time.Now().Add(time.Minute)) },
	} {
		for _, phases := range [][]string{nil, {"uploading", "converting"}} {
			for _, width := range []int{40, 80} {
				t.Run(fmt.Sprintf("%s %d %d", name, len(phases), width), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						streams, out := term.TestTerminal("", width, 24)
						d := term.NewProgressDisplay(streams)
						prepare(d.Add("talk.mp4", 1000, phases...))
						for range 10 {
							seen := map[string]bool{}
							for range 5 {
								sleep(0.2)
								synctest.Wait()
								seen[clitest.Screen(t, out.Bytes(), width, 24)] = true
							}
							if len(seen) == 1 {
								t.Errorf("nothing moved for a second: %v", seen)
							}
						}
						d.Close()
					})
				})
			}
		}
	}
}
