package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	"go.mongodb.org/mongo-driver/bson"
)

// namespace is a collection of a database.
type namespace struct{ database, collection string }

// target returns the collection that a command is for.
func target(request []byte, name string) namespace {
	document := bson.Raw(request[body:])
	database, _ := document.Lookup("$db").StringValueOK()
	collection, _ := document.Lookup(name).StringValueOK()
	return namespace{database, collection}
}

// indexIDs creates the index that FerretDB intends to have: FerretDB indexes
// the expression ->"_id" but queries ->'$._id', so that SQLite scans the whole
// table for each document.
func (p *proxy) indexIDs(ctx context.Context, ns namespace) (err error) {
	if p.indexed[ns] {
		return nil
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(p.data, ns.database+".sqlite")+"?mode=rw&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var table string
	err = db.QueryRowContext(ctx, `SELECT table_name FROM _ferretdb_collections WHERE name = ?`, ns.collection).Scan(&table)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // a write that changed nothing has not created the collection
	}
	if err == nil {
		_, err = db.ExecContext(ctx, fmt.Sprintf(
			`CREATE INDEX IF NOT EXISTS "%[1]s__id_asked" ON "%[1]s" (_ferretdb_sjson->'$._id')`, table))
	}
	p.indexed[ns] = err == nil
	return err
}
