//go:build !linux

package ffmpeg

import "os"

func blockingPipe() (r, w *os.File, err error) { return os.Pipe() } // only Linux has others

func resize(*os.File, int) {}

func full(*os.File, int) bool { return false }

func available(*os.File) int { return 0 }

func ended(*os.File) bool { return false }

func awaitInput(*os.File) error { return nil }
