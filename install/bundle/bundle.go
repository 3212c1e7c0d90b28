// Package bundle collects what is needed to understand a release that does not
// work into one archive, with every secret removed.
package bundle

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/soundextract/sx/install/check"
	"github.com/soundextract/sx/install/kube"
)

// Options says what to collect.
type Options struct {
	Cluster *kube.Cluster
	Release string
	Version string         // of sx
	Checks  []check.Result // to be part of the archive; may be nil
	// TimeLimit ends the collecting; the archive then holds what was taken by
	// then. Zero is DefaultTimeLimit.
	TimeLimit time.Duration
}

// DefaultTimeLimit is long enough for a hundred pods on a slow connection.
const DefaultTimeLimit = 2 * time.Minute

// Index is the archive's index.json.
type Index struct {
	Version   string    `json:"version"` // of sx
	Release   string    `json:"release"`
	Namespace string    `json:"namespace"`
	Taken     time.Time `json:"taken"`
	Entries   []Entry   `json:"entries"` // in the order of the archive
}

// SecretsEntry is the path of the entry that says that the namespace's Secrets
// could not be read.
const SecretsEntry = "secrets"

// Entry is one file of the archive, or one that could not be taken.
type Entry struct {
	Path  string `json:"path"`
	Bytes int    `json:"bytes,omitempty"`
	Error string `json:"error,omitempty"` // why it is missing or not whole
}

// Write collects and writes a tar.gz to w, all below one folder. What cannot be
// had, because it is missing or forbidden or the time is up, is named in the
// index and no error: an error means that w could not be written.
//
// Where the secrets of the namespace cannot be read, their values cannot be
// looked for: the index says so, and only what looks like a secret is removed.
func Write(ctx context.Context, w io.Writer, o Options) (Index, error) {
	limit := o.TimeLimit
	if limit == 0 {
		limit = DefaultTimeLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := newCollection(ctx, o)
	c.run(ctx)
	index := Index{Version: o.Version, Release: o.Release, Namespace: o.Cluster.Namespace, Taken: time.Now().UTC().Truncate(time.Second)}
	for _, f := range c.sorted() {
		index.Entries = append(index.Entries, Entry{Path: f.path, Bytes: len(f.body), Error: f.problem})
	}
	if err := c.write(w, index); err != nil {
		return index, fmt.Errorf("write the bundle: %w", err)
	}
	return index, nil
}

func (c *collection) write(w io.Writer, index Index) error {
	zip := gzip.NewWriter(w)
	archive := tar.NewWriter(zip)
	folder := c.redactor.text([]byte("sx-support-" + c.Release + "/"))
	put := func(path string, body []byte) error {
		err := archive.WriteHeader(&tar.Header{Name: string(folder) + path, Mode: 0o600, Size: int64(len(body)), ModTime: index.Taken})
		if err == nil {
			_, err = archive.Write(body)
		}
		return err
	}
	raw, err := json.MarshalIndent(index, "", "  ")
	if err == nil {
		err = put("index.json", append(raw, '\n'))
	}
	for _, f := range c.sorted() {
		if err == nil && f.body != nil {
			err = put(f.path, f.body)
		}
	}
	if err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return zip.Close()
}
