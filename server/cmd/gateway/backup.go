package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"filippo.io/age"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/atomicfile"
	format "github.com/soundextract/sx/server/backup"
	"github.com/soundextract/sx/server/internal/httpserver"
	"github.com/soundextract/sx/server/internal/service"
	"github.com/soundextract/sx/server/internal/storebackup"
	"github.com/soundextract/sx/server/sx"
)

// backupUsage says what the arguments are. The chart and sx start these programs; they are
// part of the gateway's image so that a backup needs no other.
const backupUsage = `gateway backup serve         serve backups on a loopback address, for sx backup
gateway backup create        create a backup, for the CronJob of the chart
gateway backup copy DIR      copy this program, so that it can start a program of another image
`

// backup runs the programs for backups. It returns the exit code.
func backup(ctx context.Context, args []string) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	switch {
	case verb == "serve":
		return serveBackups(ctx, cancel, args)
	case verb == "create":
		return createBackup(ctx, cancel, args)
	case verb == "copy" && len(args) == 1:
		if err := copyProgram(args[0]); err != nil {
			fmt.Fprintf(os.Stderr, "error: %v\n", err)
			return sx.ExitFailure
		}
		return 0
	}
	fmt.Fprint(os.Stderr, backupUsage)
	return sx.ExitUsage
}

// idle is after how long without a request the server ends: sx may have been killed.
const idle = 5 * time.Minute

// serveBackups serves one backup or restores one. Only a port-forward reaches it.
func serveBackups(ctx context.Context, done context.CancelFunc, args []string) int {
	p := service.New("backup", "127.0.0.1:8747", os.Stdout, os.Stderr)
	return p.Main(ctx, args, func(_ context.Context, deps service.Dependencies) (service.Service, error) {
		h := &storebackup.Handler{Store: deps.Store, Log: deps.Log}
		var open atomic.Int64
		timer := time.AfterFunc(idle, done)
		watched := func(next http.HandlerFunc) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				open.Add(1)
				timer.Stop()
				defer func() {
					if open.Add(-1) == 0 {
						timer.Reset(idle)
					}
				}()
				next(w, r)
			}
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET "+api.PathBackup, watched(h.ServeHTTP))
		mux.HandleFunc("POST "+api.PathBackup, watched(h.ServeHTTP))
		mux.HandleFunc("GET "+api.PathBackupEmpty, watched(func(w http.ResponseWriter, r *http.Request) {
			if err := storebackup.Empty(r.Context(), deps.Store); err != nil {
				httpserver.WriteError(r.Context(), w, deps.Log, err)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		}))
		return service.Service{Handler: httpserver.Routes(mux), Run: func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		}}, nil
	})
}

// createFlags are the settings of gateway backup create.
type createFlags struct {
	recipients string
	plaintext  bool
	dir        string
	keep       int
	secrets    string
	values     string
	command    []string
}

// createBackup creates one backup and ends.
func createBackup(ctx context.Context, done context.CancelFunc, args []string) int {
	var f createFlags
	if i := slices.Index(args, "--"); i >= 0 {
		f.command, args = args[i+1:], args[:i]
	}
	p := service.New("backup", "127.0.0.1:8747", os.Stdout, os.Stderr)
	p.Flags.StringVar(&f.recipients, "recipients", "", "age `recipients`, separated by spaces")
	p.Flags.BoolVar(&f.plaintext, "plaintext", false, "do not encrypt the backup; only with a command after --, which then has to encrypt it")
	p.Flags.StringVar(&f.dir, "dir", "", "write the backup to a new file in `directory`")
	p.Flags.IntVar(&f.keep, "keep", 0, "`number` of complete backups that remain in --dir; 0 is all")
	p.Flags.StringVar(&f.secrets, "secrets", "", "`directory` with one for each Secret")
	p.Flags.StringVar(&f.values, "values", "", "`file` with the values of the installation")
	var recipients []age.Recipient
	p.Check = func() (err error) {
		recipients, err = f.check()
		return err
	}
	return p.Main(ctx, args, func(_ context.Context, deps service.Dependencies) (service.Service, error) {
		return service.Service{Run: func(ctx context.Context) error {
			result, err := f.create(ctx, deps, recipients)
			if err != nil {
				return err
			}
			if err := storebackup.Record(ctx, deps.Store.Tasks, result, time.Now()); err != nil {
				return err
			}
			deps.Log.InfoContext(ctx, "backup created", "jobs", result.Jobs, "damaged", result.Damaged)
			if result.Damaged > 0 {
				return sx.NewError(sx.CodeProblems, "%d videos or MP3s could not be read; the backup has everything else", result.Damaged).
					WithHint("the log names them")
			}
			done()
			return nil
		}}, nil
	})
}

func (f *createFlags) check() ([]age.Recipient, error) {
	if (f.dir == "") == (len(f.command) == 0) {
		return nil, service.Invalid("dir", "either --dir or a command after -- is required").WithHint("see gateway backup create --help")
	}
	if f.keep < 0 {
		return nil, service.Invalid("keep", "%d is less than 0", f.keep).WithHint("use 0 to keep all files")
	}
	if f.plaintext {
		if f.recipients != "" || f.dir != "" {
			return nil, service.Invalid("plaintext", "it is only for a command, without recipients").
				WithHint("name recipients, or give the backup to a command that encrypts it")
		}
		return nil, nil
	}
	list, err := age.ParseRecipients(strings.NewReader(strings.Join(strings.Fields(f.recipients), "\n")))
	if err != nil {
		return nil, service.Invalid("recipients", "%v", err).WithHint("use recipients as age-keygen prints them")
	}
	return list, nil
}

// create creates the backup, at its destination.
func (f *createFlags) create(ctx context.Context, deps service.Dependencies, recipients []age.Recipient) (storebackup.Result, error) {
	files, err := f.files()
	if err != nil {
		return storebackup.Result{}, err
	}
	write := func(out io.Writer) (result storebackup.Result, err error) {
		if f.plaintext {
			return storebackup.Create(ctx, deps.Store, files, out, deps.Log, time.Now())
		}
		sealed, err := format.Encrypt(out, recipients)
		if err != nil {
			return result, err
		}
		if result, err = storebackup.Create(ctx, deps.Store, files, sealed, deps.Log, time.Now()); err != nil {
			return result, err
		}
		return result, sealed.Close()
	}
	if f.dir != "" {
		return f.toFile(write)
	}
	return f.toCommand(ctx, write)
}

// files reads the Secrets, which Kubernetes mounts as one directory each, and the values.
func (f *createFlags) files() ([]format.File, error) {
	var files []format.File
	add := func(kind, name, path string) error {
		raw, err := os.ReadFile(path)
		files = append(files, format.File{Kind: kind, Name: name, Data: raw})
		return err
	}
	var errs []error
	if f.secrets != "" {
		// Kubernetes has its own files in the directories, whose names begin with two dots.
		paths, err := filepath.Glob(filepath.Join(f.secrets, "*", "[^.]*"))
		errs = append(errs, err)
		for _, path := range paths {
			errs = append(errs, add(format.Secrets, filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), path))
		}
	}
	if f.values != "" {
		values, err := readValues(f.values)
		errs = append(errs, err)
		if values != nil {
			files = append(files, format.File{Kind: format.Values, Name: "values.yaml", Data: values})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("read the secrets and values: %w", err)
	}
	return files, nil
}

// readValues returns the values in the record that sx install keeps of an installation, nil
// if there is none, as after an install with Helm. JSON is YAML.
func readValues(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var record struct {
		Values json.RawMessage `json:"values"`
	}
	if err := json.Unmarshal(raw, &record); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return record.Values, nil
}

// The names of files sort by time. A backup that lacks what its store cannot read has the
// second suffix.
const (
	filePrefix    = "sx-"
	fileTime      = "20060102T150405Z"
	fileSuffix    = ".age"
	damagedSuffix = "-damaged.age"
)

// toFile writes a new file, which appears once it is written, and removes those whose place
// it takes.
func (f *createFlags) toFile(write func(io.Writer) (storebackup.Result, error)) (storebackup.Result, error) {
	path := filepath.Join(f.dir, filePrefix+time.Now().UTC().Format(fileTime))
	if err := f.removeLeftovers(); err != nil {
		return storebackup.Result{}, fmt.Errorf("remove an incomplete backup: %w", err)
	}
	file, err := atomicfile.Create(path)
	if err != nil {
		return storebackup.Result{}, fmt.Errorf("write the backup: %w", err)
	}
	result, err := write(file)
	if err != nil {
		return result, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	if result.Damaged > 0 {
		path += damagedSuffix
	} else {
		path += fileSuffix
	}
	if err := atomicfile.Commit(file, path); err != nil {
		return result, fmt.Errorf("write the backup: %w", err)
	}
	if f.keep == 0 {
		return result, nil
	}
	if err := f.rotate(path); err != nil {
		return result, fmt.Errorf("remove old backups: %w", err)
	}
	return result, nil
}

// leftoverAge is how long an incomplete file must not have changed to be removed. Another run,
// such as one that somebody has started by hand, writes all the time.
const leftoverAge = time.Minute

// removeLeftovers removes the incomplete files of runs that were killed.
func (f *createFlags) removeLeftovers() error {
	found, err := filepath.Glob(filepath.Join(f.dir, "."+filePrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range found {
		info, err := os.Lstat(path)
		if err == nil && time.Since(info.ModTime()) >= leftoverAge {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // the other run may have ended
			return err
		}
	}
	return nil
}

// rotate removes the files that a new one replaces. A damaged backup replaces only another
// damaged one: older ones may have what it lacks. A complete one replaces every damaged one,
// and the oldest.
func (f *createFlags) rotate(added string) error {
	all, err := filepath.Glob(filepath.Join(f.dir, filePrefix+"*"+fileSuffix)) // sorted
	if err != nil {
		return err
	}
	var whole, damaged []string
	for _, path := range all {
		switch {
		case !strings.HasSuffix(path, damagedSuffix):
			whole = append(whole, path)
		case path != added:
			damaged = append(damaged, path)
		}
	}
	remove := damaged
	if !strings.HasSuffix(added, damagedSuffix) {
		remove = append(remove, whole[:max(0, len(whole)-f.keep)]...)
	}
	var errs []error
	for _, path := range remove {
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(errs...)
}

// toCommand writes to the standard input of the command. If the backup fails, the command
// is killed before it sees the end of its input, so that it does not take a part for the
// whole.
func (f *createFlags) toCommand(ctx context.Context, write func(io.Writer) (storebackup.Result, error)) (storebackup.Result, error) {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	cmd := exec.CommandContext(ctx, f.command[0], f.command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return storebackup.Result{}, fmt.Errorf("start the command: %w", err)
	}
	result, err := write(in)
	if err != nil {
		kill()
		return result, errors.Join(err, cmd.Wait())
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		return result, fmt.Errorf("the command %s failed: %w", f.command[0], err)
	}
	return result, nil
}

// copyProgram copies this program into a directory.
func copyProgram(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	in, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("copy the program: %w", err)
	}
	defer func() { _ = in.Close() }() // it was only read
	out, err := os.OpenFile(filepath.Join(dir, "gateway"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("copy the program: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(fmt.Errorf("copy the program: %w", err), out.Close())
	}
	return out.Close()
}
