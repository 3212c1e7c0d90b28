package cmdutil

import "github.com/soundextract/sx/server/api"

// Pages collects the pages of a list that follow the cursor after, until there are limit
// items, or all of them if limit is 0. get requests a page of at most limit items and
// returns the cursor of the next one, "" if there is none; so does Pages.
func Pages[T any](after string, limit int, get func(after string, limit int) ([]T, string, error)) (items []T, next string, err error) {
	items = []T{} // encoded as [], not as null
	for {
		size := api.MaxLimit
		if limit > 0 {
			size = min(size, limit-len(items))
		}
		page, next, err := get(after, size)
		if err != nil {
			return nil, "", err
		}
		items = append(items, page...)
		if next == "" || len(items) == limit {
			return items, next, nil
		}
		after = next
	}
}
