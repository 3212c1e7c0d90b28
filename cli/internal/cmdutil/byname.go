package cmdutil

// ByIDOrName returns the item with the given ID or name. An ID wins over the name of another
// item that looks like it.
func ByIDOrName[T any](items []T, key string, of func(T) (id, name string)) (found T, ok bool) {
	for _, item := range items {
		id, name := of(item)
		if id == key {
			return item, true
		}
		if name == key && !ok {
			found, ok = item, true
		}
	}
	return found, ok
}
