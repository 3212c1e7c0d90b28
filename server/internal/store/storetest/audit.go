package storetest

import (
	"slices"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var auditTests = []test{
	{"an audit entry is stored completely, and once", auditKept},
	{"List returns pages of what matches, newest first", auditList},
	{"old audit entries are deleted, others are not", auditDelete},
}

func auditKept(f *fixture) {
	e := testkit.Filled[sx.AuditEntry](f.t)
	e.ID = store.AuditID(e.Time)
	f.ok(f.Audit.Append(f.ctx, e))
	changed := e
	changed.Actor = "somebody else"
	f.code(f.Audit.Append(f.ctx, changed), sx.CodeConflict)
	f.reopen()
	got, more, err := f.Audit.List(f.ctx, store.AuditFilter{Limit: 10})
	f.ok(err)
	same(f, got, []sx.AuditEntry{e})
	if more {
		f.t.Error("there are more entries than the one")
	}
}

// entry stores an entry and returns its ID.
func (f *fixture) entry(account string, at time.Duration) string {
	f.t.Helper()
	e := sx.AuditEntry{Time: epoch.Add(at), Actor: "root", Action: sx.AuditDisable, Account: account}
	e.ID = store.AuditID(e.Time)
	f.ok(f.Audit.Append(f.ctx, e))
	return e.ID
}

func (f *fixture) listed(filter store.AuditFilter, more bool, want ...string) {
	f.t.Helper()
	list, got, err := f.Audit.List(f.ctx, filter)
	f.ok(err)
	var ids []string
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	if !slices.Equal(ids, want) || got != more {
		f.t.Errorf("%+v: got %v and more=%v, want %v and more=%v", filter, ids, got, want, more)
	}
}

func auditList(f *fixture) {
	second := f.entry("ann", time.Second)
	first := f.entry("ann", 0)
	other := f.entry("anna", 2*time.Second)
	last := f.entry("ann", 3*time.Second)
	f.listed(store.AuditFilter{Limit: 10}, false, last, other, second, first)
	f.listed(store.AuditFilter{Limit: 2}, true, last, other)
	f.listed(store.AuditFilter{Limit: 2, After: other}, false, second, first)
	f.listed(store.AuditFilter{Limit: 10, Account: "ann"}, false, last, second, first)
	f.listed(store.AuditFilter{Limit: 1, Account: "ann", After: last}, true, second)
	f.listed(store.AuditFilter{Limit: 10, Account: "anna"}, false, other)
	f.listed(store.AuditFilter{Limit: 10, Account: "an"}, false)
	f.listed(store.AuditFilter{Limit: 10, Since: epoch.Add(time.Second)}, false, last, other, second)
	f.listed(store.AuditFilter{Limit: 10, Account: "ann", Since: epoch.Add(time.Second)}, false, last, second)
	f.listed(store.AuditFilter{Limit: 10, Since: epoch.Add(time.Hour)}, false)
}

func auditDelete(f *fixture) {
	f.entry("ann", -time.Millisecond)
	f.entry("anna", -time.Hour)
	now, later := f.entry("ann", 0), f.entry("anna", time.Hour)
	f.ok(f.Audit.DeleteBefore(f.ctx, epoch))
	f.listed(store.AuditFilter{Limit: 10}, false, later, now)
	f.listed(store.AuditFilter{Limit: 10, Account: "ann"}, false, now)
}
