package doctor

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/soundextract/sx/cli/internal/localserver"
	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/sx"
)

// checkLocal runs the checks of the local server of a data directory.
func checkLocal(ctx context.Context, dir string) []check.Result {
	status, err := localserver.ReadStatus(ctx, dir)
	return []check.Result{
		checkServerProgram(),
		checkFFmpeg(),
		checkDirectory(dir, err),
		checkSpace(status),
		checkRunning(dir, status),
		checkVersion(status),
		checkSandbox(status),
	}
}

func result(id, description string, outcome check.Outcome, message, hint string) check.Result {
	r := check.Result{ID: id, Description: description, Outcome: outcome}
	if outcome != check.OK {
		r.Message, r.Hint = message, hint
	}
	return r
}

func checkServerProgram() check.Result {
	const id, description = "sxd", "sxd, the local server, is next to sx or in PATH"
	if _, err := localserver.Find(); err != nil {
		known := sx.AsError(err)
		return result(id, description, check.FoundFatal, known.Message, known.Hint)
	}
	return result(id, description, check.OK, "", "")
}

func checkFFmpeg() check.Result {
	const id, description = "ffmpeg", "ffmpeg and ffprobe are in PATH"
	for _, program := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(program); err != nil {
			return result(id, description, check.FoundFatal, program+" not found", "install ffmpeg with your package manager")
		}
	}
	return result(id, description, check.OK, "", "")
}

func checkDirectory(dir string, err error) check.Result {
	const id, description = "data-directory", "only you can read the data directory"
	info, statErr := os.Stat(dir)
	switch {
	case statErr != nil:
		return result(id, description, check.FoundFatal, statErr.Error(), "create it with: "+nextcmd.Line("sx", "up", "--data", dir))
	case err != nil:
		return result(id, description, check.FoundFatal, err.Error(), "make "+dir+" readable for you")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return result(id, description, check.FoundWarning, "other users can open "+dir, "restrict it with: "+nextcmd.Line("chmod", "700", dir))
	}
	return result(id, description, check.OK, "", "")
}

func checkSpace(s localserver.Status) check.Result {
	switch {
	case s.PID == 0:
		return result(check.StorageID, check.StorageDescription, check.OutcomeSkipped, "the server is not running", "")
	case s.Storage == nil:
		return result(check.StorageID, check.StorageDescription, check.OutcomeSkipped, "the free space is unknown", "")
	}
	if problem := s.Storage.Problem(); problem != "" {
		return result(check.StorageID, check.StorageDescription, check.FoundWarning, problem,
			"remove jobs that you no longer need with: "+nextcmd.Line("sx", "rm", "ID"))
	}
	return result(check.StorageID, check.StorageDescription+": "+s.Storage.Describe(), check.OK, "", "")
}

func checkRunning(dir string, s localserver.Status) check.Result {
	const id, description = "running", "the server is ready"
	switch {
	case s.Ready:
		return result(id, description, check.OK, "", "")
	case s.PID == 0:
		return result(id, description, check.FoundFatal, "it is not running", "start it with: "+nextcmd.Line("sx", "up", "-d", "--data", dir))
	}
	return result(id, description, check.FoundFatal, s.State, "see its log: "+filepath.Clean(localserver.LogPath(dir)))
}

func checkVersion(s localserver.Status) check.Result {
	const id, description = "version", "the server has the version of sx"
	switch {
	case s.Version == "" || s.PID == 0:
		return result(id, description, check.OutcomeSkipped, "the server is not running", "")
	case s.Version != sx.Version:
		return result(id, description, check.FoundWarning, "the server has version "+s.Version+", sx has "+sx.Version,
			"start it again: sx down, then: sx up -d")
	}
	return result(id, description, check.OK, "", "")
}

func checkSandbox(s localserver.Status) check.Result {
	if s.PID == 0 {
		return result(check.SandboxID, check.SandboxDescription, check.OutcomeSkipped, "the server is not running", "")
	}
	text, complete := check.DescribeSandbox(s.Sandbox.Landlock, s.Sandbox.Seccomp, s.Sandbox.User)
	if complete {
		return result(check.SandboxID, text, check.OK, "", "")
	}
	return result(check.SandboxID, check.SandboxDescription, check.OutcomeSkipped, text, "")
}
