package cmdutil

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
)

// Page is the part of a list that is shown: --limit, --after and --all.
type Page struct {
	Limit int
	After string // the cursor of the previous page
	All   bool   // instead of Limit
}

// AddPageFlags adds the flags of a list of things, such as "jobs", of which limit are shown
// by default. after is the usage of --after.
func AddPageFlags(cmd *cobra.Command, p *Page, things string, limit int, after string) {
	cmd.Flags().IntVar(&p.Limit, "limit", limit, "show at most `N` "+things)
	cmd.Flags().StringVar(&p.After, "after", "", after)
	cmd.Flags().BoolVar(&p.All, "all", false, "show all "+things)
}

// Check returns a usage error if the flags contradict each other.
func (p *Page) Check(cmd *cobra.Command) error {
	switch {
	case p.Limit < 1:
		return UsageErrorf("--limit must be at least 1")
	case p.All && cmd.Flags().Changed("limit"):
		return UsageErrorf("--all and --limit are mutually exclusive")
	}
	return nil
}

// NextArgs returns the flags for the page after this one, given the default of --limit.
func (p *Page) NextArgs(next string, limit int) []string {
	args := []string{"--after", next}
	if p.Limit != limit {
		args = append(args, "--limit", strconv.Itoa(p.Limit))
	}
	return args
}

// FetchPage collects the part of a list that is shown, as PagesOf does.
func FetchPage[T any](p Page, most int, get func(after string, limit int) ([]T, string, error)) (items []T, next string, err error) {
	if p.All {
		p.Limit = 0
	}
	return PagesOf(most, p.After, p.Limit, get)
}

// PrintMore says on w how to list the rest of the things, if next says that there are more.
func PrintMore(w io.Writer, things, next string) {
	if next != "" {
		_, _ = fmt.Fprintf(w, "more %s: continue with --after %s, or show all with --all\n", things, next)
	}
}

// Pages collects the pages of a list that follow the cursor after, until there are limit
// items, or all of them if limit is 0. get requests a page of at most limit items and
// returns the cursor of the next one, "" if there is none; so does Pages.
func Pages[T any](after string, limit int, get func(after string, limit int) ([]T, string, error)) (items []T, next string, err error) {
	return PagesOf(api.MaxLimit, after, limit, get)
}

// PagesOf is Pages with pages of at most most items.
func PagesOf[T any](most int, after string, limit int, get func(after string, limit int) ([]T, string, error)) (items []T, next string, err error) {
	items = []T{} // encoded as [], not as null
	for {
		size := most
		if limit > 0 {
			size = min(size, limit-len(items))
		}
		page, next, err := get(after, size)
		if err != nil {
			return nil, "", err
		}
		if len(page) > size || next != "" && next == after { // else the list might never end
			return nil, "", client.Malformed("a page that is longer than requested, or that names itself as the next one")
		}
		items = append(items, page...)
		if next == "" || len(items) == limit {
			return items, next, nil
		}
		after = next
	}
}
