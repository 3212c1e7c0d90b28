package supportbundle

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/soundextract/sx/install/bundle"
	"github.com/soundextract/sx/server/sx"
)

// write makes the archive, readable by its owner only, and gives its size in
// bytes. A file that is there is kept; one that could not be finished is removed.
func write(ctx context.Context, path string, o bundle.Options) (index bundle.Index, size int64, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return index, 0, sx.NewError(sx.CodeInvalid, "%s is there already", path).WithHint("choose another file with -o FILE").WithCause(err)
	}
	if err != nil {
		return index, 0, sx.NewError(sx.CodeInvalid, "the archive cannot be written: %v", err).WithHint("choose another file with -o FILE").WithCause(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	index, err = bundle.Write(ctx, file, o)
	if err == nil {
		err = ctx.Err() // the archive of a run that was ended is not whole
	}
	if info, statErr := file.Stat(); err == nil {
		err = statErr
		if err == nil {
			size = info.Size()
		}
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return index, size, err
}
