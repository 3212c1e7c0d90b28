package term

import "golang.org/x/sys/windows"

// hideEcho turns the console's echo off.
func hideEcho(fd int) error {
	var mode uint32
	if err := windows.GetConsoleMode(windows.Handle(fd), &mode); err != nil {
		return err //nolint:wrapcheck // the caller says what failed
	}
	return windows.SetConsoleMode(windows.Handle(fd), mode&^windows.ENABLE_ECHO_INPUT) //nolint:wrapcheck // likewise
}
