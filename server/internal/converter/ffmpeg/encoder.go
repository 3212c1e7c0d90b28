package ffmpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/soundextract/sx/server/internal/converter/parallel"
	"github.com/soundextract/sx/server/internal/sandbox"
	"github.com/soundextract/sx/server/mp3"
)

// lame is what must be known about the encoder to make the same bytes as its
// single pass.
type lame struct {
	version string // of LAME, which is in the stuffing of frames
	encoder string // ffmpeg's name for itself in the Info frame
}

// identity returns what identify found at the first conversion.
func (t *Transcoder) identity(ctx context.Context) (lame, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lame == (lame{}) {
		var err error
		if t.lame, err = t.identify(ctx); err != nil {
			return lame{}, err
		}
	}
	return t.lame, nil
}

// scratch is a file that a program writes.
type scratch struct {
	*os.File
	path      string     // in the program
	inherited []*os.File // by the program
}

// identify encodes half a second of silence, and reads from the result which encoder
// made it. It uses a file, because ffmpeg writes an Info frame only where it can seek.
func (t *Transcoder) identify(ctx context.Context) (lame, error) {
	f, err := newScratch()
	if err != nil {
		return lame{}, err
	}
	defer f.remove()
	silence := parallel.Settings{Rate: 48000, Channels: 1, Bitrate: maxBitrate}
	c := conversion{Transcoder: t}
	if _, err := c.execute(ctx, command{
		phase: "identify the encoder", program: t.cfg.FFmpeg, args: append([]string{"-y"}, append(encoderArgs(silence), "file:"+f.path)...), files: f.inherited,
		stdin: io.MultiReader(bytes.NewReader(wavHeader(silence)), bytes.NewReader(make([]byte, 4*silence.Rate/2))), cpu: t.cfg.MinCPU, maxFile: encoderFile,
	}); err != nil {
		return lame{}, err
	}
	all, err := io.ReadAll(io.NewSectionReader(f, 0, encoderFile))
	if err != nil {
		return lame{}, fmt.Errorf("reading a temporary file: %w", err)
	}
	info, err := mp3.ReadInfo(all)
	if err != nil {
		return lame{}, fmt.Errorf("reading the Info frame of %s: %w", t.cfg.FFmpeg, err)
	}
	version, err := mp3.StuffingVersion(bytes.NewReader(all[info.Size():]))
	if err != nil {
		return lame{}, fmt.Errorf("reading the version of LAME: %w", err)
	}
	return lame{version: version, encoder: info.Encoder}, nil
}

// encoderPacket is how many bytes ffmpeg reads at once: 3 or 7 frames. It would read less
// from a stream without a header, and each packet costs some work.
const encoderPacket = 32 << 10

// encoderArgs returns the command line of an encoder that reads WAV from its stdin, up
// to the name of its output.
func encoderArgs(s parallel.Settings) []string {
	args := []string{
		"-nostdin", "-hide_banner", "-v", "error", "-nostats", "-filter_threads", "1",
		"-threads", "1",
		"-f", "wav", "-max_size", strconv.Itoa(encoderPacket), "-i", "pipe:0",
		"-map", "0:a", "-map_metadata", "-1", "-id3v2_version", "0", "-c:a", "libmp3lame",
	}
	if s.VBR() {
		args = append(args, "-q:a", strconv.Itoa(s.Quality))
	} else {
		args = append(args, "-b:a", strconv.Itoa(s.Bitrate)+"k")
	}
	return append(args, "-f", "mp3")
}

// wavHeader returns the beginning of a WAV stream of 32-bit floats whose length is not
// known.
func wavHeader(s parallel.Settings) []byte {
	const unknown, float, sample = math.MaxUint32, 3, 4
	rate, channels := uint32(s.Rate), uint16(s.Channels) //nolint:gosec // at most 48000 and 2
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), unknown)
	b = binary.LittleEndian.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = binary.LittleEndian.AppendUint16(b, float)
	b = binary.LittleEndian.AppendUint16(b, channels)
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint32(b, rate*uint32(channels)*sample)
	b = binary.LittleEndian.AppendUint16(b, channels*sample)
	b = binary.LittleEndian.AppendUint16(b, 8*sample)
	return binary.LittleEndian.AppendUint32(append(b, "data"...), unknown)
}

// encoder is a running encoder.
type encoder struct {
	in, out *os.File
	cmd     *exec.Cmd
	exited  chan struct{}
	err     error // of the exit, once exited is closed
	stdin   sync.Once
}

// encoderFile is the limit of output files in bytes, of which an encoder writes none except
// for identify.
const encoderFile = 1 << 20

// startEncoder implements the Start of parallel.Encoders.
func (t *Transcoder) startEncoder(ctx context.Context, s parallel.Settings) (parallel.Process, error) {
	// Frames are needed as soon as they are complete, and package mp3 makes the
	// Info frame.
	args := append(encoderArgs(s), "-write_xing", "0", "-flush_packets", "1", "pipe:1")
	cmd := t.prepare(ctx, sandbox.Profile{CPU: t.cfg.MaxCPU, File: encoderFile}, t.cfg.FFmpeg, args)
	e := &encoder{cmd: cmd, exited: make(chan struct{})}
	childIn, in, err := pipe(pcmPipe)
	if err != nil {
		return nil, err
	}
	defer childIn.Close() //nolint:errcheck // the program has its own descriptor
	out, childOut, err := pipe(framePipe)
	if err != nil {
		in.Close() //nolint:errcheck,gosec // nothing was written
		return nil, err
	}
	defer childOut.Close() //nolint:errcheck // the program has its own descriptor
	e.in, e.out = in, out
	stderr := &stderrParser{}
	e.cmd.Stdin, e.cmd.Stdout, e.cmd.Stderr = childIn, childOut, stderr

	started := make(chan error)
	go func() {
		// See execute.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := e.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		if err := e.cmd.Wait(); err != nil {
			stderr.flush()
			e.err = programError(t.cfg.FFmpeg, err, stderr, t.cfg.MaxCPU)
		}
		close(e.exited)
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", t.cfg.FFmpeg, err), in.Close(), out.Close())
	}
	if _, err := e.in.Write(wavHeader(s)); err != nil {
		e.Kill()
		return nil, errors.Join(fmt.Errorf("writing to %s: %w", t.cfg.FFmpeg, err), e.Wait())
	}
	return e, nil
}

// workingDir is where the programs run; they neither read nor write anything there.
const workingDir = string(filepath.Separator)

// Write implements io.Writer. It waits until the pipe has space for all of p: the
// system would wake a blocked writer for each few KiB that the encoder reads.
func (e *encoder) Write(p []byte) (int, error) {
	for full(e.in, len(p)) {
		select {
		case <-e.exited:
			return 0, os.ErrClosed
		case <-time.After(gatherSpace):
		}
	}
	return e.in.Write(p)
}

// Close implements io.Closer.
func (e *encoder) Close() (err error) {
	e.stdin.Do(func() { err = e.in.Close() })
	return err
}

// Output implements parallel.Process.
func (e *encoder) Output() io.Reader { return gathered{e.out, gatherEncoded} }

// Wait implements parallel.Process.
func (e *encoder) Wait() error {
	<-e.exited
	return errors.Join(e.err, e.Close(), e.out.Close())
}

// Kill implements parallel.Process.
func (e *encoder) Kill() {
	select {
	case <-e.exited: // its process ID may be another's
	default:
		_ = e.cmd.Process.Kill() // fails only if it has exited meanwhile
	}
}
