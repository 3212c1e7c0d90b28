package transfer

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// reserved matches the names of devices on Windows, which may have any extension.
var reserved = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])$`)

// TrackName derives the MP3's file name from the video's, such as talk.mp3 from
// talk.mp4. The name is valid on every system, is not hidden and is not an option
// to other programs.
func TrackName(video string) string {
	name := sx.FileName(video)
	name = strings.TrimSuffix(name, filepath.Ext(name))
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, name)
	name = strings.TrimRight(strings.TrimLeft(name, ".- "), ". ")
	device, _, _ := strings.Cut(name, ".")
	switch {
	case name == "":
		name = "track"
	case reserved.MatchString(strings.TrimSpace(device)):
		name = "_" + name
	}
	return name + ".mp3"
}

// Targets chooses the paths of the MP3s of one run.
type Targets struct {
	Dir  string // "" is the current directory
	File string // the path of the only MP3, instead of Dir

	taken map[string]bool
}

// NewTargets interprets the argument of --output for one or several videos: a
// directory, which is created if necessary, or the path of a file; "" is the current
// directory.
func NewTargets(output string, several bool) (*Targets, error) {
	t := &Targets{taken: map[string]bool{}}
	if output == "" {
		return t, nil
	}
	info, err := os.Stat(output)
	switch {
	case err == nil && info.IsDir():
		t.Dir = output
	case several && (err == nil || strings.EqualFold(filepath.Ext(output), ".mp3")):
		return nil, sx.NewError(sx.CodeInvalid, "%s is not a directory, and there are several MP3s", output).
			WithHint("give a directory with -o")
	case err != nil && (several || os.IsPathSeparator(output[len(output)-1])):
		if err := os.MkdirAll(output, 0o777); err != nil { // the umask applies, as to mkdir
			return nil, diskError("create the directory "+output, err)
		}
		t.Dir = output
	default:
		t.File = output
	}
	return t, nil
}

// Path returns the path for a video's MP3. Videos with the same name in one run
// get different paths, such as "talk (2).mp3".
func (t *Targets) Path(video string) string {
	if t.File != "" {
		return t.File
	}
	name := TrackName(video)
	path := filepath.Join(t.Dir, name)
	for n := 2; t.taken[strings.ToLower(path)]; n++ { // many file systems ignore case
		path = filepath.Join(t.Dir, fmt.Sprintf("%s (%d).mp3", strings.TrimSuffix(name, ".mp3"), n))
	}
	t.taken[strings.ToLower(path)] = true
	return path
}
