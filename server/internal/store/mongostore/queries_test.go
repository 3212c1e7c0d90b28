package mongostore_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
)

// queries records the queries of a suite and counts the documents that they return.
type queries struct {
	mu        sync.Mutex
	shapes    map[string]query
	open      map[int64]string // by request, the shape
	documents map[string]int   // by shape
}

// query is what decides which index a command can use.
type query struct {
	collection string
	equal      []string // fields that equal a value or one of a list
	ranges     []string // fields that are compared by order
	rest       []string // other conditions
	sort       []string // "-" before a field in descending order
}

func newQueries() *queries {
	return &queries{shapes: map[string]query{}, open: map[int64]string{}, documents: map[string]int{}}
}

func (q *queries) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{
		Started: func(_ context.Context, e *event.CommandStartedEvent) {
			for _, found := range parse(e.CommandName, e.Command) {
				shape := fmt.Sprintf("%+v", found)
				q.mu.Lock()
				q.shapes[shape], q.open[e.RequestID] = found, shape
				q.mu.Unlock()
			}
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceededEvent) {
			q.mu.Lock()
			defer q.mu.Unlock()
			if batch, err := e.Reply.LookupErr("cursor", "firstBatch"); err == nil {
				if values, err := batch.Array().Values(); err == nil {
					q.documents[q.open[e.RequestID]] += len(values)
				}
			}
			delete(q.open, e.RequestID)
		},
	}
}

// parse returns the queries of a command.
func parse(name string, command bson.Raw) (list []query) {
	sub := func(of bson.Raw, key string) bson.Raw {
		d, _ := of.Lookup(key).DocumentOK()
		return d
	}
	collection, _ := command.Lookup(name).StringValueOK()
	add := func(filter, sort bson.Raw) {
		q := query{collection: collection}
		q.conditions(filter)
		for _, e := range elements(sort) {
			if n, _ := e.Value().AsInt64OK(); n < 0 {
				q.sort = append(q.sort, "-"+e.Key())
			} else {
				q.sort = append(q.sort, e.Key())
			}
		}
		list = append(list, q)
	}
	switch name {
	case "find":
		add(sub(command, "filter"), sub(command, "sort"))
	case "update", "delete":
		array, _ := command.Lookup(name + "s").ArrayOK()
		values, _ := array.Values()
		for _, v := range values {
			add(sub(v.Document(), "q"), nil)
		}
	case "count":
		add(sub(command, "query"), nil)
	case "aggregate", "distinct", "findAndModify":
		list = append(list, query{collection: collection, rest: []string{name}})
	}
	return list
}

func elements(d bson.Raw) []bson.RawElement {
	list, _ := d.Elements()
	return list
}

func (q *query) conditions(filter bson.Raw) {
	for _, e := range elements(filter) {
		operator := ""
		if d, ok := e.Value().DocumentOK(); ok {
			if list := elements(d); len(list) > 0 && strings.HasPrefix(list[0].Key(), "$") {
				operator = list[0].Key()
			}
		}
		switch {
		case strings.HasPrefix(e.Key(), "$"), e.Value().Type == bson.TypeRegex:
			q.rest = append(q.rest, e.Key())
		case operator == "" || operator == "$in":
			q.equal = append(q.equal, e.Key())
		case slices.Contains([]string{"$lt", "$lte", "$gt", "$gte"}, operator):
			q.ranges = append(q.ranges, e.Key())
		default:
			q.rest = append(q.rest, e.Key())
		}
	}
}

// filtered are conditions that no index needs to answer: List bounds how many jobs they
// are compared with, few deliveries are as old as the position that a page follows, the
// owners that NextWaiting excludes are few, and what Due compares with those that are busy is
// in the index behind the order.
var filtered = []string{"deliveries.user", "deliveries.queue", "deliveries.channel", "jobs.search", "jobs.labels", "jobs.shared", "jobs.state", "jobs.code", "jobs.sources.identity", "jobs.$or", "jobs.$nor", "deliveries.$or", "owners._id", "owners.$or"}

// fits reports whether an index with these keys finds what the query selects, in its
// order.
func (q query) fits(keys []string) bool {
	used := 0
	for used < len(keys) && slices.Contains(q.equal, strings.TrimPrefix(keys[used], "-")) {
		used++
	}
	answered := slices.Clone(keys[:used])
	rest := keys[used:]
	switch {
	case len(q.sort) > 0:
		if len(rest) < len(q.sort) || !slices.Equal(rest[:len(q.sort)], q.sort) && !slices.Equal(rest[:len(q.sort)], reversed(q.sort)) {
			return false
		}
		answered = append(answered, rest[:len(q.sort)]...)
	case len(q.ranges) > 0 && len(rest) > 0:
		answered = append(answered, rest[0])
	}
	for i, k := range answered {
		answered[i] = strings.TrimPrefix(k, "-")
	}
	for _, f := range slices.Concat(q.equal, q.ranges, q.rest) {
		if !slices.Contains(answered, f) && !slices.Contains(filtered, q.collection+"."+f) {
			return false
		}
	}
	return len(answered) > 0
}

func reversed(sort []string) []string {
	var list []string
	for _, k := range sort {
		if name, ok := strings.CutPrefix(k, "-"); ok {
			list = append(list, name)
		} else {
			list = append(list, "-"+k)
		}
	}
	return list
}

// check fails the test for each query that no index fits.
func (q *queries) check(t *testing.T, indexes map[string][][]string) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.shapes) == 0 {
		t.Error("no queries were recorded")
	}
	for shape, found := range q.shapes {
		byID := slices.Contains(found.equal, "_id")
		if !byID && !slices.ContainsFunc(append(indexes[found.collection], []string{"_id"}), found.fits) {
			t.Errorf("no index fits %s", shape)
		}
		t.Logf("%6d documents: %s", q.documents[shape], shape)
	}
}
