package localserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/sx"
)

// OpenBackup returns an unencrypted backup of the directory's server: from the server if
// it runs, else from sxd, which reads the directory.
func OpenBackup(ctx context.Context, dir string) (io.ReadCloser, error) {
	in, err := Running(ctx, dir)
	if err != nil {
		return nil, err
	}
	if in != nil {
		return in.openBackup(ctx)
	}
	program, err := Find()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, "backup", "create", "--data", dir)
	p := &process{cmd: cmd}
	cmd.Stderr = &p.errors
	if p.out, err = cmd.StdoutPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return p, nil
}

func (in *Instance) openBackup(ctx context.Context) (io.ReadCloser, error) {
	c, err := newClient(in.URL)
	if err != nil {
		return nil, err
	}
	req, err := c.NewRequest(ctx, http.MethodGet, api.PathLocalBackup, nil, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+in.Backup)
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// process is the output of a program. At its end, Read returns the program's error.
type process struct {
	cmd    *exec.Cmd
	out    io.ReadCloser
	errors bytes.Buffer
	waited bool
}

func (p *process) Read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	if errors.Is(err, io.EOF) {
		if failed := p.wait(); failed != nil {
			err = failed
		}
	}
	return n, err
}

func (p *process) Close() error {
	_ = p.out.Close() // ends a program that still writes
	_ = p.wait()      // Read has returned its error
	return nil
}

func (p *process) wait() error {
	if p.waited {
		return nil
	}
	p.waited = true
	return programError(p.cmd.Wait(), p.errors.String())
}

// programError returns the error of sxd that its error output contains.
func programError(err error, output string) error {
	if err == nil {
		return nil
	}
	_, rest, found := strings.Cut("\n"+output, "\nerror: ")
	message, rest, _ := strings.Cut(rest, "\n")
	if !found {
		return fmt.Errorf("sxd: %w: %s", err, sx.CleanLine(output, sx.MaxErrorText))
	}
	known := sx.NewError(sx.CodeInvalid, "%s", message).WithCause(err)
	if hint, ok := strings.CutPrefix(rest, "hint: "); ok {
		hint, _, _ = strings.Cut(hint, "\n")
		known = known.WithHint("%s", hint)
	}
	return known
}

// RestoreBackup restores an unencrypted backup into a data directory that is empty or
// does not exist.
func RestoreBackup(ctx context.Context, dir string, in io.Reader) (s backup.Summary, err error) {
	program, err := Find()
	if err != nil {
		return s, err
	}
	var out, output bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "backup", "restore", "--data", dir)
	source := &source{in: in}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = source, &out, &output
	err = cmd.Run()
	switch {
	case source.err != nil:
		return s, source.err // why sxd's input ended too early
	case err != nil:
		return s, programError(err, output.String())
	}
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		return s, fmt.Errorf("read the result of sxd: %w", err)
	}
	return s, nil
}

// source remembers the error of a reader.
type source struct {
	in  io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
