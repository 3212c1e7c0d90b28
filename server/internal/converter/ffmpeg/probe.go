package ffmpeg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/id3"
	"github.com/soundextract/sx/server/sx"
)

const (
	maxStreams   = 64
	maxReport    = 8 << 20 // maximum output of ffprobe, in bytes
	probeFile    = 1 << 20 // bytes of output files, of which it writes none
	firstPackets = 100
	probedFields = "format=duration,start_time:format_tags:chapter=start_time,end_time:chapter_tags=title:packet=stream_index,pts_time,flags:packet_side_data=skip_samples:" +
		"stream=index,id,codec_type,codec_name,channels,channel_layout,sample_rate,start_time,duration,width,height,extradata_hash:" +
		"stream_tags:stream_disposition"
)

// report is ffprobe's report on a video.
type report struct {
	size int // of its JSON, in bytes

	// Packets are the first ones. ffprobe guesses a wrong start time for streams that it
	// may not decode.
	Packets []probedPacket `json:"packets"`
	Streams []stream       `json:"streams"`
	Format  struct {
		Start    seconds `json:"start_time"`
		Duration seconds `json:"duration"`

		Tags map[string]string `json:"tags"`
	} `json:"format"`
	Chapters []chapter `json:"chapters"`
}

type probedPacket struct {
	Stream int      `json:"stream_index"`
	PTS    *seconds `json:"pts_time"`
	Flags  string   `json:"flags"` // D: is not presented
	Side   []struct {
		Skip int `json:"skip_samples"`
	} `json:"side_data_list"`
}

type stream struct {
	Index    int               `json:"index"`
	ID       string            `json:"id"` // such as 0x100, the PID in a transport stream; "" if there is none
	Type     string            `json:"codec_type"`
	Codec    string            `json:"codec_name"`
	Channels int               `json:"channels"`
	Layout   string            `json:"channel_layout"`
	Rate     integer           `json:"sample_rate"`
	Start    seconds           `json:"start_time"`
	Duration seconds           `json:"duration"`
	Width    int               `json:"width"`
	Height   int               `json:"height"`
	Setup    string            `json:"extradata_hash"` // what the decoder is set up with, as a digest; "" if nothing
	Tags     map[string]string `json:"tags"`
	Is       struct {
		Default         int `json:"default"`
		Cover           int `json:"attached_pic"`
		Comment         int `json:"comment"`
		VisualImpaired  int `json:"visual_impaired"`
		HearingImpaired int `json:"hearing_impaired"`
		Descriptions    int `json:"descriptions"`
		CleanEffects    int `json:"clean_effects"`
		Karaoke         int `json:"karaoke"`
	} `json:"disposition"`
}

// seconds is a decimal string in JSON. Anything else is 0, which means unknown.
type seconds time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (s *seconds) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	// The bound of a hundred years prevents overflows with forged headers.
	if err == nil && f == f && f < 100*365*24*3600 && f > -100*365*24*3600 {
		*s = seconds(f * float64(time.Second))
	}
	return nil
}

// integer is a decimal string in JSON. Anything else is 0, which means unknown.
type integer int

// UnmarshalJSON implements json.Unmarshaler.
func (i *integer) UnmarshalJSON(b []byte) error {
	if n, err := strconv.Atoi(strings.Trim(string(b), `"`)); err == nil {
		*i = integer(n)
	}
	return nil
}

// input returns the part of both command lines that opens the video: only with the
// demuxer that matches its first bytes, and only over HTTP, so that nothing in the video
// can make ffmpeg open another file, address or format.
func (c *conversion) input() []string {
	return []string{
		"-f", c.format.Demuxer, "-format_whitelist", c.format.Demuxer,
		"-protocol_whitelist", "http,tcp",
		"-codec_whitelist", c.allowed,
		"-max_streams", strconv.Itoa(maxStreams),
		"-probesize", "16M", "-analyzeduration", "16M", // bytes; microseconds
		"-threads", "1", // each thread reserves memory, and audio needs only one
	}
}

func tooManyTracks() *sx.Error {
	return sx.NewError(sx.CodeUnreadable, "the file has more than %d tracks", maxStreams)
}

const maxAlloc = 256 << 20 // bytes of one allocation

// url is the video, or the part of it that this conversion reads.
func (c *conversion) url() string { return c.in.url(c.base, c.end) }

// content reads what url is.
func (c *conversion) content() io.ReadSeeker { return c.in.between(c.base, c.end) }

func (c *conversion) probe(ctx context.Context) (*report, error) {
	args := append(c.probeArgs(), "-read_intervals", "%+#"+strconv.Itoa(firstPackets), "-show_entries", probedFields, "-show_data_hash", "SHA256", "-of", "json=string_validation=ignore", c.url())
	stdout := &cappedBuffer{left: c.maxReport}
	stderr, err := c.execute(ctx, command{
		phase: "probe", program: c.cfg.FFprobe, args: args, stdout: stdout, cpu: c.probeLimit(), maxFile: probeFile,
		busy: c.in.busy,
	})
	if sx.CodeOf(err) == sx.CodeTimeLimit {
		return nil, sx.NewError(sx.CodeUnreadable, "opening the file takes more than %s of CPU time", c.probeLimit()).
			WithHint("its index may be damaged, or it may have far too many tags; export it again without tags").WithCause(err)
	}
	if err != nil && !errors.Is(stdout.err, errReport) {
		if !isFailure(err) {
			return nil, err // a limit, a crash, or ffprobe could not be started or its report not be read
		}
		return nil, c.probeError(err, stderr)
	}
	if stderr.streams { // newer versions of ffmpeg go on, with a report that is wrong
		return nil, tooManyTracks()
	}
	if stdout.err != nil {
		return nil, sx.NewError(sx.CodeUnreadable, "the file's tags and chapters are too long").
			WithHint("export it again without them").WithCause(stdout.err)
	}
	found := &report{size: stdout.content.Len()}
	if err := json.Unmarshal(id3.ValidReport(stdout.content.Bytes()), found); err != nil {
		return nil, c.probeError(fmt.Errorf("parsing ffprobe's report: %w", err), stderr)
	}
	return found, nil
}

// probeLimit limits the CPU time of the probe. An ordinary file needs less than a second,
// whatever its size. Files that need more mostly have tags of many parts, for which
// ffprobe takes quadratic time: a small file should not hold a slot for long.
func (c *conversion) probeLimit() time.Duration {
	return min(c.cfg.MaxProbe, 5*time.Second+time.Duration((c.end-c.base)>>20)*time.Second)
}

// probeArgs returns the part of ffprobe's command line that opens the video.
func (c *conversion) probeArgs() []string {
	args := []string{"-v", "error", "-max_alloc", strconv.Itoa(maxAlloc)}
	args = append(args, c.input()...)
	// The whitelist in input applies to everything that decodes data. At the
	// end, ffprobe also opens a decoder for each stream, without decoding
	// anything, and fails if that is not allowed; the whitelists by stream type
	// apply only to this step.
	for _, kind := range []string{"v", "a", "s", "d", "t"} {
		args = append(args, "-codec_whitelist:"+kind, c.everything)
	}
	return args
}

// probeError returns the error of a file that ffprobe cannot read.
func (c *conversion) probeError(err error, stderr *stderrParser) error {
	if stderr.noIndex {
		return sx.NewError(sx.CodeTruncated, "the file is truncated: it has no index (moov atom)").
			WithHint("copy or export the file again; if the recorder stopped before it was done, a program such as untrunc " +
				"rebuilds the index with the help of an intact recording of the same device").WithCause(err)
	}
	return sx.NewError(sx.CodeUnreadable, "the file starts like %s but cannot be read", c.format.Name).WithCause(err)
}

var errReport = errors.New("report too large")

// cappedBuffer is a buffer with a maximum size. It does not embed a bytes.Buffer, because
// io.Copy would call that one's ReadFrom instead of Write.
type cappedBuffer struct {
	content bytes.Buffer
	left    int
	err     error // set once the size is exceeded
}

// Write implements io.Writer.
func (b *cappedBuffer) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		b.err = errReport
		return 0, b.err
	}
	return b.content.Write(p)
}

// start returns when the stream starts, on the file's clock.
func (r *report) start(s stream) time.Duration {
	start, ok := time.Duration(0), false
	for _, p := range r.Packets {
		if p.Stream == s.Index && p.PTS != nil && !strings.Contains(p.Flags, "D") && (!ok || time.Duration(*p.PTS) < start) {
			start, ok = time.Duration(*p.PTS), true
		}
	}
	if !ok {
		return time.Duration(s.Start)
	}
	return start
}

// audioStreams returns the audio streams in the order of their numbers.
func (r *report) audioStreams() []stream {
	return slices.DeleteFunc(slices.Clone(r.Streams), func(s stream) bool { return s.Type != "audio" })
}

// tag returns the value of a tag, whose name is case-insensitive.
func (s *stream) tag(name string) string {
	for k, v := range s.Tags {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}
