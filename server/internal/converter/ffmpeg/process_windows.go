package ffmpeg

import (
	"os/exec"
	"time"
)

func isolate(*exec.Cmd) {}

func hitCPULimit(*exec.ExitError, time.Duration) bool { return false }

func crash(error) string { return "" }

func killedByOthers(*exec.ExitError) bool { return false }

func wasKilled(*exec.ExitError) bool { return false }
