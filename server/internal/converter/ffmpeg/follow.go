package ffmpeg

import "context"

// more decodes what follows the first part.
func (d *decoder) more(ctx context.Context) error { return nil }
