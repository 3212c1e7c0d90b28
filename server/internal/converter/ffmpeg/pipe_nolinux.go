//go:build !linux

package ffmpeg

import "os"

func growPipe(*os.File) {} // only Linux can

func full(*os.File, int) bool { return false }

func available(*os.File) int { return 0 }
