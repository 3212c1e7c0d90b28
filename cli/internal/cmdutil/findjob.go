package cmdutil

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

var jobID = regexp.MustCompile(`^[a-z2-7]{16}$`)

const maxCandidates = 10 // in the error of an ambiguous name

// FindJob returns the ID of the job that a user means by an ID, the file name of its
// source, or a path that ends with that. An *sx.Error of code invalid lists the
// candidates if there are several. An ID is returned unchanged even if there is no such
// job, so that the request that uses it reports the error; what is neither an ID nor a name
// is not found, and must not become part of a request's path.
func FindJob(ctx context.Context, c *client.Client, job string) (id string, err error) {
	if jobID.MatchString(job) {
		return job, nil
	}
	name := filepath.ToSlash(filepath.Clean(job))
	filter := client.JobFilter{Name: path.Base(name)}
	found, _, err := Pages("", 0, func(after string, limit int) ([]api.Job, string, error) {
		filter.After, filter.Limit = after, limit
		page, err := c.Jobs(ctx, filter)
		return page.Jobs, page.Next, err
	})
	if err != nil {
		return "", err
	}
	var same, similar []api.Job
	for _, j := range found {
		switch {
		case j.ID == job:
			return job, nil
		case j.Name == job || j.Name == name:
			same = append(same, j)
		case strings.HasSuffix(j.Name, "/"+name) || strings.HasSuffix(name, "/"+j.Name):
			similar = append(similar, j)
		}
	}
	if len(same) == 0 {
		same = similar
	}
	switch len(same) {
	case 0:
		if client.IsID(job) {
			return job, nil
		}
		return job, sx.NewError(sx.CodeNotFound, "job %s not found", cmp.Or(sx.CleanText(job), `""`))
	case 1:
		return same[0].ID, nil
	}
	return "", ambiguous(job, same)
}

// ambiguous is the error for a name that several jobs have, the newest first.
func ambiguous(name string, jobs []api.Job) error {
	var list []string
	for i, j := range jobs {
		if i == maxCandidates {
			list = append(list, "…")
			break
		}
		list = append(list, fmt.Sprintf("%s (%s, %s)", j.ID, j.State, j.Created.Local().Format("2006-01-02 15:04")))
	}
	return sx.NewError(sx.CodeInvalid, "%d jobs are named %s: %s", len(jobs), name, strings.Join(list, ", ")).
		WithHint("use the ID of one of them")
}
