// Package bundle collects the diagnostics of a release into one archive, with all
// secrets removed.
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

// Options are the options of Write.
type Options struct {
	Cluster *kube.Cluster
	Release string
	Version string         // of sx
	Checks  []check.Result // included in the archive; may be nil
	// TimeLimit bounds the collection; the archive contains what was collected by
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
	Collected time.Time `json:"collected"`
	Entries   []Entry   `json:"entries"` // in the order of the archive
}

// SecretsEntry is the path of the entry that records that the Secrets of the namespace
// could not be read.
const SecretsEntry = "secrets"

// Entry is one file of the archive, or one that could not be collected.
type Entry struct {
	Path  string `json:"path"`
	Bytes int    `json:"bytes,omitempty"`
	Error string `json:"error,omitempty"` // why it is missing or incomplete
}

// Write collects diagnostics and writes them to w as a tar.gz with one top-level
// directory. A file that cannot be collected, because it is missing or forbidden or the
// time is up, is recorded in the index; an error means that writing to w failed.
//
// If the Secrets of the namespace cannot be read, their values cannot be searched for:
// the index records that, and only text that looks like a secret is removed.
func Write(ctx context.Context, w io.Writer, o Options) (Index, error) {
	limit := o.TimeLimit
	if limit == 0 {
		limit = DefaultTimeLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := newCollection(ctx, o)
	c.run(ctx)
	index := Index{Version: o.Version, Release: o.Release, Namespace: o.Cluster.Namespace, Collected: time.Now().UTC().Truncate(time.Second)}
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
	directory := c.redactor.text([]byte("sx-support-" + c.Release + "/"))
	put := func(path string, body []byte) error {
		err := archive.WriteHeader(&tar.Header{Name: string(directory) + path, Mode: 0o600, Size: int64(len(body)), ModTime: index.Collected})
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
