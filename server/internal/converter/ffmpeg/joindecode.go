package ffmpeg

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/sx"
)

// joinedFiles is the state of a decoder of files that are joined.
type joinedFiles struct {
	list  []joinedFile
	begun []placedFile // those whose decoding has begun
	from  int64        // samples before the file that is decoded
	run   *run         // the files that one program decodes; nil if it is one
}

// placedFile is what was decoded of a file that is joined.
type placedFile struct {
	decoded
	start  int64         // samples before it
	before placed        // of the files before it
	zero   time.Duration // what would be at 0 in the result, from the file's origin
}

// allJoined decodes the files one after another.
func (d *decoder) allJoined(ctx context.Context) error {
	for f := &d.joins; len(f.begun) < len(f.list); {
		first := len(f.begun)
		if err := d.begin(f.list[first]); err != nil {
			return err
		}
		err := d.oneOrMore(ctx, f.list[first:])
		d.settle(first)
		if err != nil {
			return named(f.list[len(f.begun)-1].name, err)
		}
	}
	return nil
}

// oneOrMore decodes the first of the files, which was begun, and those after it whose
// packets continue those of the first.
func (d *decoder) oneOrMore(ctx context.Context, next []joinedFile) error {
	if d.joins.run = newRun(d.in, next); d.joins.run != nil {
		err := d.part(ctx, d.tracks[:1])
		d.joins.run = nil
		if sx.CodeOf(err) != sx.CodeUnreadable {
			return err
		}
		d.decoded = decoded{}
	}
	return d.file(ctx)
}

// begin lets the next packets be those of another file, which follows at once.
func (d *decoder) begin(f joinedFile) error {
	if len(d.joins.begun) > 0 {
		if err := d.clock.restart(f.plan.relative && !clocked[f.format.Demuxer]); err != nil {
			return err
		}
		d.endFile()
	}
	d.conversion, d.plan, d.depth, d.joins.from = f.conversion, f.plan, 0, d.clock.at
	d.joins.begun = append(d.joins.begun, placedFile{start: d.clock.at, before: d.clock.seen})
	return nil
}

// endFile sets what is known about the last file that was begun.
func (d *decoder) endFile() {
	last := len(d.joins.begun) - 1
	f, c := &d.joins.begun[last], d.clock
	f.samples, f.rate = c.at-f.start, c.rate
	f.jumps = c.seen.jumps[len(f.before.jumps):]
	f.unfilled = c.seen.unfilled - f.before.unfilled
	f.zero = c.began - c.duration(f.start)
	if last == 0 {
		f.zero = c.seen.first
	}
}

// settle says of the files from the given one on, which one program decoded, what it
// reported. It does not say in which of them a packet could not be decoded.
func (d *decoder) settle(first int) {
	all, list := d.decoded, d.joins.begun[first:]
	d.decoded = decoded{}
	for i := range list {
		list[i].cut, list[i].errors, list[i].reported = all.cut, all.errors, len(list) > 1
	}
	name := d.joins.list[first].name
	list[0].warnings = namedWarnings(name, all.warnings)
	if len(list) > 1 && all.errors >= minErrors {
		list[0].warnings = append(list[0].warnings, damaged(name+" to "+d.joins.list[first+len(list)-1].name+": ", all.errors))
	}
}

// placedFiles returns what was decoded of each file.
func (d *decoder) placedFiles() []placedFile {
	if len(d.joins.begun) > 0 {
		d.endFile()
	}
	return d.joins.begun
}

func namedWarnings(name string, list []sx.Warning) []sx.Warning {
	list = slices.Clone(list)
	for i := range list {
		list[i] = sx.NewWarning(list[i].Code, "%s: %s", name, list[i].Message)
	}
	return list
}

// checkJoined is checkComplete for files that are joined. Its warnings and errors name the
// file that they concern.
func (p plan) checkJoined(d decoded) ([]sx.Warning, error) {
	var warnings []sx.Warning
	for i, f := range p.joined {
		if i == len(d.files) {
			if !d.complete {
				return nil, fmt.Errorf("only %d of %d files were decoded", i, len(p.joined))
			}
			break
		}
		one, own := d.files[i], f.plan
		one.complete = d.complete && i == len(d.files)-1
		if one.complete && one.samples == 0 {
			break
		}
		if i > 0 { // it follows at once, wherever its own clock begins
			own.want.end = own.want.duration
		}
		warnings = append(warnings, one.warnings...)
		one.warnings = nil
		found, err := own.checkComplete(one.decoded)
		if err != nil {
			return nil, named(f.name, err)
		}
		warnings = append(warnings, namedWarnings(f.name, found)...)
	}
	if p.section.from > 0 && d.written == 0 {
		return nil, endsBefore(d.duration(), p.section)
	}
	if d.opposed {
		warnings = append(warnings, opposed())
	}
	return warnings, nil
}

// chapters returns the chapters at their places in the recording.
func (p plan) chapters(d placed) (list []id3.Chapter) {
	if p.joined == nil {
		for _, ch := range p.found.Chapters {
			list = append(list, id3.Chapter{
				Start: d.place(time.Duration(ch.Start) - p.origin), End: d.place(time.Duration(ch.End) - p.origin), Title: ch.Tags["title"],
			})
		}
		return list
	}
	for i, f := range p.joined {
		own := f.plan.chapters(placed{})
		switch {
		case d.files == nil: // nothing was decoded yet
			list = append(list, own...)
			continue
		case i >= len(d.files):
			return list
		}
		at := d.files[i]
		c := &clock{rate: at.rate}
		from, to := c.duration(at.start), c.duration(at.start+at.samples)
		for _, ch := range f.plan.found.Chapters {
			place := func(t seconds) time.Duration {
				return min(max(from, moved(time.Duration(t)-f.plan.origin-at.zero, at.jumps)), to)
			}
			list = append(list, id3.Chapter{Start: place(ch.Start), End: place(ch.End), Title: ch.Tags["title"]})
		}
	}
	return list
}

// run is several files that one program decodes: the packets of each continue those of the
// one before, as they do where a recorder has only begun another file. A decoder that started
// anew would lack what the next packet overlaps with. Packets that a file says are not to be
// heard are still left out.
type run struct {
	files []joinedFile
	url   string
	at    int // the file whose packets arrive
}

// runPeriod is the distance of the files on the clock of a run, from which it is known to
// which file a packet belongs. No file is that long.
const runPeriod = 1 << 17 * time.Second

// newRun returns a run of the first of the files and those that can be decoded with it; nil
// if there are none.
func newRun(in *source, files []joinedFile) *run {
	n := 1
	for n < len(files) && files[n-1].continues(files[n]) {
		n++
	}
	if n == 1 {
		return nil
	}
	script := "ffconcat version 1.0\n"
	for _, f := range files[:n] {
		script += fmt.Sprintf("file '%s'\noption probesize 16777216\noption analyzeduration 16000000\nduration %d\n",
			f.url(), runPeriod/time.Second)
	}
	return &run{files: files[:n], url: in.listURL(script)}
}

// Containers of which ffmpeg recognises each file of a list, and codecs whose packets overlap
// with the one before, and whose decoder leaves nothing out when it starts.
var (
	runContainers = []string{"mov", "matroska", "avi"}
	runCodecs     = []string{"aac", "ac3", "eac3", "mp2", "mp3"}
)

// continues reports whether the packets of another file can follow those of this one in the
// same decoder: the stream is the same and has the same setup.
func (f joinedFile) continues(next joinedFile) bool {
	a, b := f.plan.tracks[0], next.plan.tracks[0]
	return f.format.Demuxer == next.format.Demuxer && slices.Contains(runContainers, f.format.Demuxer) && slices.Contains(runCodecs, a.Codec) &&
		len(f.plan.channels)+len(next.plan.channels) == 0 && f.plan.shape.next+next.plan.shape.next == 0 &&
		a.Index == b.Index && a.Codec == b.Codec && a.Rate == b.Rate && a.Channels == b.Channels && a.Layout == b.Layout &&
		a.Setup == b.Setup
}

// input returns the part of the command line that opens the files. The demuxer of the list
// opens only what the list names, with the files' own demuxer.
func (r *run) input(c *conversion) []string {
	list := *c
	list.format.Demuxer = "concat"
	args := list.input()
	i := slices.Index(args, "-format_whitelist")
	args[i+1] = strings.Join([]string{"concat", c.format.Demuxer}, ",")
	return append(args, "-safe", "0") // the list has addresses
}

// expected returns the length of the files; 0 if it is unknown.
func (r *run) expected() (sum time.Duration) {
	for _, f := range r.files {
		if f.plan.want.end == 0 {
			return 0
		}
		sum += f.plan.want.end
	}
	return sum
}

// enter changes the time of a packet from the clock of a run to that of its file, and begins
// that file with its first packet.
func (d *decoder) enter(p *packet) error {
	r := d.joins.run
	if r == nil {
		return nil
	}
	period, slack := d.clock.samples(runPeriod), d.clock.samples(time.Hour)
	for r.at < len(r.files)-1 && p.pts >= int64(r.at+1)*period-slack {
		r.at++
		if err := d.begin(r.files[r.at]); err != nil {
			return err
		}
	}
	// The list's demuxer lets each file begin at 0, rounded as here.
	start := time.Duration(d.found.Format.Start)
	p.pts += d.clock.samples(start+d.clock.duration(1)/2) - d.clock.samples(d.origin) - int64(r.at)*period
	return nil
}
