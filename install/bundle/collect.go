package bundle

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// maxConcurrent is the number of concurrent requests to the API server.
	maxConcurrent = 6
	// maxTotal is the maximum size of the archive before compression, in bytes.
	maxTotal = 64 << 20
)

// file is a file of the archive; body is nil if it could not be collected.
type file struct {
	path    string
	body    []byte
	problem string
}

// collection collects files. Everything passes through its redactor.
type collection struct {
	Options
	redactor *redactor

	mu    sync.Mutex
	files []file
	total int
}

// task collects one or more files.
type task struct {
	path string // recorded in the index if it fails or does not start in time
	run  func(context.Context) error
}

func newCollection(ctx context.Context, o Options) *collection {
	c := &collection{Options: o}
	secrets, err := o.Cluster.Client.CoreV1().Secrets(o.Cluster.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		c.redactor = newRedactor(nil)
		c.missing(SecretsEntry, fmt.Errorf("their values could not be searched for in the collected files, so review the bundle before you share it: %w", err))
		return c
	}
	c.redactor = newRedactor(secrets.Items)
	c.helm(secrets.Items)
	return c
}

func (c *collection) run(ctx context.Context) {
	c.doc("checks.json", c.Checks)
	c.doc("sx.json", map[string]string{"version": c.Version, "release": c.Release, "namespace": c.Cluster.Namespace})
	tasks := slices.Concat(c.objects(), []task{
		{"cluster/version.json", c.version}, {"cluster/nodes.json", c.nodes}, {"events.json", c.events},
	}, c.logs(ctx))
	slots := make(chan struct{}, maxConcurrent)
	var wg sync.WaitGroup
	for _, t := range tasks {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			err := ctx.Err()
			if err == nil {
				err = c.within(ctx, t.run)
			}
			if err != nil {
				c.missing(t.path, err)
			}
		})
	}
	wg.Wait()
}

// within abandons a task that exceeds the time limit.
func (c *collection) within(ctx context.Context, run func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *collection) missing(path string, err error) {
	message := err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		message = "not collected before the timeout"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = append(c.files, file{path: path, problem: string(c.redactor.text([]byte(message)))})
}

// put adds a redacted file.
func (c *collection) put(path string, body []byte, problem string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if body == nil {
		body = []byte{} // an empty log is also a file
	}
	if c.total+len(body) > maxTotal {
		body, problem = nil, fmt.Sprintf("omitted: the bundle would be larger than %d MiB", maxTotal>>20)
	}
	c.total += len(body)
	c.files = append(c.files, file{path: path, body: body, problem: problem})
}

// doc adds a JSON file.
func (c *collection) doc(path string, v any) {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		c.missing(path, err)
		return
	}
	c.put(path, append(c.redactor.text(raw), '\n'), "")
}

// sorted returns the files, sorted by path.
func (c *collection) sorted() []file {
	c.mu.Lock()
	defer c.mu.Unlock()
	files := slices.Clone(c.files)
	slices.SortStableFunc(files, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	return files
}
