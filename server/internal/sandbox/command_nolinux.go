//go:build !linux

package sandbox

import "context"

func supported() (abi int, filter bool) { return 0, false }

func neededBy(context.Context, string) (files, error) { return files{}, nil }
