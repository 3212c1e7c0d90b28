package ffmpeg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

const (
	maxStreams   = 64
	maxReport    = 8 << 20 // bytes that ffprobe may print
	probeFile    = 1 << 20 // it writes no file
	probedFields = "format=duration,start_time:" +
		"stream=index,codec_type,codec_name,channels,channel_layout,sample_rate,start_time,duration,width,height:" +
		"stream_tags:stream_disposition=default,attached_pic"
)

// report is what ffprobe tells about a video.
type report struct {
	Streams []stream `json:"streams"`
	Format  struct {
		Start    seconds `json:"start_time"`
		Duration seconds `json:"duration"`
	} `json:"format"`
}

type stream struct {
	Index    int               `json:"index"`
	Type     string            `json:"codec_type"`
	Codec    string            `json:"codec_name"`
	Channels int               `json:"channels"`
	Layout   string            `json:"channel_layout"`
	Rate     integer           `json:"sample_rate"`
	Start    seconds           `json:"start_time"`
	Duration seconds           `json:"duration"`
	Width    int               `json:"width"`
	Height   int               `json:"height"`
	Tags     map[string]string `json:"tags"`
	Is       struct {
		Default int `json:"default"`
		Cover   int `json:"attached_pic"`
	} `json:"disposition"`
}

// seconds is a decimal string in JSON; what is none counts as 0, unknown.
type seconds time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (s *seconds) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	// A hundred years bound what a lying header can do to the arithmetic.
	if err == nil && f == f && f < 100*365*24*3600 && f > -100*365*24*3600 {
		*s = seconds(f * float64(time.Second))
	}
	return nil
}

// integer is a decimal string in JSON; what is none counts as 0, unknown.
type integer int

// UnmarshalJSON implements json.Unmarshaler.
func (i *integer) UnmarshalJSON(b []byte) error {
	if n, err := strconv.Atoi(strings.Trim(string(b), `"`)); err == nil {
		*i = integer(n)
	}
	return nil
}

// input is the part of both command lines that opens the video: with the one
// demuxer that fits its first bytes, over HTTP only, so that nothing in it can
// name another file, address or format.
func (c *conversion) input() []string {
	return []string{
		"-f", c.format.Demuxer, "-format_whitelist", c.format.Demuxer,
		"-protocol_whitelist", "http,tcp",
		"-codec_whitelist", c.allowed,
		"-max_streams", strconv.Itoa(maxStreams),
		"-probesize", "16M", "-analyzeduration", "16M", // bytes; microseconds
		"-threads", "1", // each thread reserves memory, and sound needs one only
	}
}

const maxAlloc = 256 << 20 // bytes of one allocation

func (c *conversion) probe(ctx context.Context) (*report, error) {
	args := []string{"-v", "error", "-max_alloc", strconv.Itoa(maxAlloc)}
	args = append(args, c.input()...)
	// With the list above no other decoder looks at the video's data. In the
	// end ffprobe also opens one for each stream, without decoding anything,
	// and gives up if it may not; a list for each kind of stream, which counts
	// for this step only, lets it.
	for _, kind := range []string{"v", "a", "s", "d", "t"} {
		args = append(args, "-codec_whitelist:"+kind, c.everything)
	}
	args = append(args, "-show_entries", probedFields, "-of", "json", c.in.URL)

	stdout := &capped{left: maxReport}
	said, err := c.execute(ctx, start{c.cfg.FFprobe, args, stdout, c.cfg.MinTime, probeFile})
	if err != nil && !errors.Is(stdout.err, errReport) {
		return nil, c.unreadable(err, said)
	}
	found := &report{}
	if err := errors.Join(stdout.err, json.Unmarshal(stdout.Bytes(), found)); err != nil {
		return nil, c.unreadable(fmt.Errorf("taking ffprobe's report: %w", err), said)
	}
	return found, nil
}

// unreadable judges a failed probe: the program itself ended, so it is the video.
func (c *conversion) unreadable(err error, said *transcript) error {
	var exit *exec.ExitError
	switch {
	case sx.CodeOf(err) != sx.CodeInternal, errors.As(err, &exit) && (died(exit) || exit.ExitCode() > 1):
		return err // a limit, a crash, or a program that did not even start
	case said.cut:
		return sx.NewError(sx.CodeTruncated, "the file has no index (moov atom): its end is missing").WithCause(err)
	default:
		return sx.NewError(sx.CodeUnreadable, "the file begins like %s but cannot be read", c.format.Name).WithCause(err)
	}
}

var errReport = errors.New("the report is too long")

// capped is a buffer with a limit.
type capped struct {
	bytes.Buffer
	left int
	err  error // set once it was exceeded
}

// Write implements io.Writer.
func (b *capped) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		b.err = errReport
		return 0, b.err
	}
	return b.Buffer.Write(p)
}

// sounds lists the audio streams in the order in which they are numbered.
func (r *report) sounds() []stream {
	return slices.DeleteFunc(slices.Clone(r.Streams), func(s stream) bool { return s.Type != "audio" })
}

// cover finds the first cover picture that an MP3 can carry.
func (r *report) cover() (stream, bool) {
	i := slices.IndexFunc(r.Streams, func(s stream) bool {
		return s.Is.Cover == 1 && slices.Contains(coverDecoders, s.Codec) && s.Width > 0 && s.Height > 0
	})
	if i < 0 {
		return stream{}, false
	}
	return r.Streams[i], true
}

// tag looks a tag up by its name in any case.
func (s *stream) tag(name string) string {
	for k, v := range s.Tags {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}
