package cmdutil_test

import (
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/soundextract/sx/cli/internal/cmdutil"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// TestPages reads a list of three full pages and 7 items more.
func TestPages(t *testing.T) {
	t.Parallel()
	const total = 3*api.MaxLimit + 7
	get := func(after string, limit int) (page []int, next string, err error) {
		from, _ := strconv.Atoi(after)
		for i := from; i < min(from+limit, total); i++ {
			page = append(page, i)
		}
		if from+limit < total {
			next = strconv.Itoa(from + limit)
		}
		return page, next, nil
	}
	for _, tt := range []struct {
		after       string
		limit, want int
		next        string
	}{
		{"", 0, total, ""},
		{"", 5, 5, "5"},
		{"5", 2 * api.MaxLimit, 2 * api.MaxLimit, strconv.Itoa(5 + 2*api.MaxLimit)},
		{"", total, total, ""},
		{"", total + 1, total, ""},
	} {
		items, next, err := cmdutil.Pages(tt.after, tt.limit, get)
		from, _ := strconv.Atoi(tt.after)
		if err != nil || len(items) != tt.want || next != tt.next || items[0] != from || !slices.IsSorted(items) {
			t.Errorf("after %q, limit %d: got %d items, next %q: %v", tt.after, tt.limit, len(items), next, err)
		}
	}
	broken := errors.New("broken")
	_, _, err := cmdutil.Pages("", 0, func(after string, limit int) ([]int, string, error) {
		if after != "" {
			return nil, "", broken
		}
		return get(after, limit)
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	for name, get := range map[string]func(after string, limit int) ([]int, string, error){
		"a page that is followed by itself": func(string, int) ([]int, string, error) { return []int{1}, "1", nil },
		"a page that is too long":           func(_ string, limit int) ([]int, string, error) { return make([]int, limit+1), "1", nil },
	} {
		if _, _, err := cmdutil.Pages("", 10, get); sx.CodeOf(err) != sx.CodeInternal {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
