package check

import (
	"context"
	"strconv"
	"strings"
)

// The check of ffmpeg's confinement, which a local server has too.
const (
	SandboxID          = "sandbox"
	SandboxDescription = "Landlock and seccomp confine ffmpeg"
)

// DescribeSandbox describes ffmpeg's confinement: the version of Landlock's ABI (0 means
// none), whether system calls are filtered, and whether ffmpeg runs as another user.
// complete reports whether everything that the newest systems offer is in force.
func DescribeSandbox(landlock int, seccomp, user bool) (text string, complete bool) {
	var by, without []string
	if landlock > 0 {
		by = append(by, "Landlock (ABI "+strconv.Itoa(landlock)+")")
	} else {
		without = append(without, "Landlock")
	}
	if seccomp {
		by = append(by, "seccomp")
	} else {
		without = append(without, "seccomp")
	}
	if user {
		by = append(by, "a user of its own")
	}
	switch {
	case len(by) == 0:
		return "ffmpeg is confined by resource limits only: this system has no Landlock and no seccomp, or ffmpeg is a script", false
	case len(without) > 0:
		return "ffmpeg is confined by " + strings.Join(by, " and ") + ", without " + strings.Join(without, " and "), false
	}
	return "ffmpeg is confined by " + strings.Join(by, " and "), true
}

// sandbox reads the metrics of a converter.
func sandbox(ctx context.Context, env *Env) error {
	found, err := env.gauges(ctx, "converter", "sx_converter_sandbox_")
	if err != nil {
		return err
	}
	landlock, ok := found["landlock_abi"]
	if !ok {
		return Skip("", "the converter is still starting, or its version differs")
	}
	text, complete := DescribeSandbox(int(landlock), found["seccomp"] > 0, found["user"] > 0)
	if complete {
		return Pass(text)
	}
	return Skip("", "%s", text)
}
