package transfer

import (
	"context"
	"io"
	"os"

	"github.com/soundextract/sx/cli/internal/mediafiles"
	"github.com/soundextract/sx/server/sx"
)

// Spool copies the content of a pipe to a temporary file, which remove removes, and
// returns that file; an upload needs its size and may read it again. It returns other
// files unchanged. stdin is the content of mediafiles.Stdin.
func Spool(ctx context.Context, f mediafiles.File, stdin io.Reader, progress Progress) (spooled mediafiles.File, remove func(), err error) {
	if f.Pipe == "" {
		return f, func() {}, nil
	}
	file, err := os.CreateTemp("", "sx-*")
	if err != nil {
		return f, nil, diskError("create a temporary file", err)
	}
	remove = func() {
		_ = file.Close()
		_ = os.Remove(file.Name())
	}
	progress.Say("reading %s into a temporary file in %s", pipeName(f.Pipe), os.TempDir())
	copied := make(chan error, 1)
	// A read of a pipe cannot be interrupted, but the process ends soon after ctx.
	go func() { copied <- fill(ctx, file, f.Pipe, stdin, progress) }()
	select {
	case err = <-copied:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		remove()
		return f, nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() == 0 {
		err = sx.NewError(sx.CodeInvalid, "%s is empty", pipeName(f.Pipe)).WithHint("check the command that writes to it")
	}
	if err != nil {
		remove()
		return f, nil, err
	}
	f.Path, f.Size, f.ModTime = file.Name(), info.Size(), info.ModTime()
	return f, remove, nil
}

func pipeName(pipe string) string {
	if pipe == mediafiles.Stdin {
		return "standard input"
	}
	return pipe
}

const spoolBlock = 1 << 20

func fill(ctx context.Context, file *os.File, pipe string, stdin io.Reader, progress Progress) error {
	if pipe != mediafiles.Stdin {
		from, err := os.Open(pipe)
		if err != nil {
			return diskError("read "+pipe, err)
		}
		defer func() { _ = from.Close() }()
		stdin = from
	}
	progress.Start("reading", 0, 0)
	block := make([]byte, spoolBlock)
	for done := int64(0); ; progress.Set(done) {
		n, err := contextReader{ctx, stdin}.Read(block)
		if _, err := file.Write(block[:n]); err != nil {
			return diskError("write the temporary file", err)
		}
		done += int64(n)
		if err == io.EOF { //nolint:errorlint // a Reader returns it unwrapped
			return nil
		}
		if err != nil {
			return sx.NewError(sx.CodeInvalid, "cannot read %s: %v", pipeName(pipe), err).WithHint("check the command that writes to it").WithCause(err)
		}
	}
}
