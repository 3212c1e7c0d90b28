package open

import (
	"context"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/soundextract/sx/server/atomicfile"
)

// redirectFile is the name of the file that the browser opens. Its code is used up or
// expired when another one replaces it.
const redirectFile = "open.html"

// writeRedirect writes a file that only this user can read and that leads a browser to the
// link. On a command line, other users of the machine could read the link.
func writeRedirect(dir, link string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("create the directory of the link: %w", err)
	}
	path := filepath.Join(dir, redirectFile)
	page := fmt.Sprintf(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url=%[1]s">
<title>SoundExtract</title>
<p><a href="%[1]s">Open SoundExtract</a></p>
</html>
`, html.EscapeString(link))
	if err := atomicfile.Write(path, []byte(page), 0o600); err != nil {
		return "", fmt.Errorf("write the link: %w", err)
	}
	return path, nil
}

// startBrowser opens a file with the program that the system opens web pages with.
func startBrowser(ctx context.Context, path string) error {
	var argv []string
	switch runtime.GOOS {
	case "darwin":
		argv = []string{"open", path}
	case "windows":
		argv = []string{"rundll32", "url.dll,FileProtocolHandler", path}
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" && os.Getenv("BROWSER") == "" {
			return fmt.Errorf("there is no display")
		}
		argv = []string{"xdg-open", path}
	}
	if err := exec.CommandContext(ctx, argv[0], argv[1:]...).Run(); err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	return nil
}
