package app

import (
	"context"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/store"
)

// DatabaseFile is the name of the database in the data folder.
const DatabaseFile = "foretick.db"

// OpenStore opens the store in dir, creating it when it is missing, for this process
// alone. Errors are those of package store.
func OpenStore(ctx context.Context, dir string) (store.Store, error) {
	return catalog.Stores["sqlite"](ctx, dir, false)
}

// OpenStoreReadOnly opens the store in dir for reading, beside a process that writes
// to it.
func OpenStoreReadOnly(ctx context.Context, dir string) (store.Store, error) {
	return catalog.Stores["sqlite"](ctx, dir, true)
}
