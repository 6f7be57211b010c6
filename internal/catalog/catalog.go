// Package catalog lists everything that Foretick can be assembled from: the one
// place that knows all adapters. A new model, feed or store is its own folder and a
// line here.
package catalog

import (
	"context"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres"
	"github.com/foretick/foretick/internal/store/sqlite"
)

// Stores opens stores by the scheme of their address: a folder for sqlite, a URL for
// PostgreSQL.
var Stores = map[string]func(ctx context.Context, address string, readOnly bool) (store.Store, error){
	"sqlite": func(ctx context.Context, dir string, readOnly bool) (store.Store, error) {
		open := sqlite.Open
		if readOnly {
			open = sqlite.OpenReader
		}
		s, err := open(ctx, dir, sqlite.Options{})
		if err != nil {
			return nil, err // not s: a nil pointer is no nil store
		}
		return s, nil
	},
	"postgres":   openPostgres,
	"postgresql": openPostgres,
}

// Inspectors describe stores, of whatever version, by the same schemes and addresses.
var Inspectors = map[string]func(ctx context.Context, address string) (store.Info, error){
	"sqlite":     sqlite.Inspect,
	"postgres":   postgres.Inspect,
	"postgresql": postgres.Inspect,
}

// Backup writes the SQLite database of a folder to a file, Restore puts one back. PostgreSQL
// has programs of its own for that.
var (
	Backup  = sqlite.Backup
	Restore = sqlite.Restore
)

// BackupOptions are those of Backup and Restore.
type BackupOptions = sqlite.BackupOptions

func openPostgres(ctx context.Context, address string, readOnly bool) (store.Store, error) {
	s, err := postgres.Open(ctx, address, postgres.Options{ReadOnly: readOnly})
	if err != nil {
		return nil, err
	}
	return s, nil
}
