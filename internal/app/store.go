package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/transfer"
)

// DatabaseFile is the name of the database in the data folder.
const DatabaseFile = "foretick.db"

// Place says where everything is kept: in a SQLite database in a folder, or in a PostgreSQL
// database.
type Place struct {
	Data  string `default:"data" type:"path" help:"Folder that holds the database. It is created when missing."`
	Store string `default:"" placeholder:"URL" help:"PostgreSQL database to use instead of the one in the data folder: postgres://user:password@host/database. In FORETICK_STORE other users of the machine do not see the password."`
}

// PlaceOf reads either a folder, with or without sqlite: before it, or the URL of a database.
func PlaceOf(s string) Place {
	if dir, ok := strings.CutPrefix(s, "sqlite:"); ok {
		return Place{Data: strings.TrimPrefix(dir, "//")}
	}
	if strings.Contains(s, "://") {
		return Place{Store: s}
	}
	return Place{Data: s}
}

// String names the place, without a password.
func (p Place) String() string {
	if p.Store == "" {
		return p.Data
	}
	u, err := url.Parse(p.Store)
	if err != nil {
		return "the database of --store"
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

// Exists reports whether there is a database; one of PostgreSQL is only found out by asking it.
func (p Place) Exists() (bool, error) {
	if p.Store != "" {
		return true, nil
	}
	_, err := os.Stat(filepath.Join(p.Data, DatabaseFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Open opens the store, creating it when it is missing, for this process alone. Errors are
// those of package store.
func (p Place) Open(ctx context.Context) (store.Store, error) { return p.open(ctx, false) }

// OpenReadOnly opens the store for reading, beside a process that writes to it.
func (p Place) OpenReadOnly(ctx context.Context) (store.Store, error) { return p.open(ctx, true) }

func (p Place) open(ctx context.Context, readOnly bool) (store.Store, error) {
	scheme, address, err := p.address()
	if err != nil {
		return nil, err
	}
	st, err := catalog.Stores[scheme](ctx, address, readOnly)
	if err != nil {
		return nil, err
	}
	if err := transfer.Whole(ctx, st); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p, err), st.Close())
	}
	return st, nil
}

// Inspect describes the store, whatever the version of its schema, beside a process that
// writes to it. The error wraps store.ErrNotFound when there is none.
func (p Place) Inspect(ctx context.Context) (store.Info, error) {
	scheme, address, err := p.address()
	if err != nil {
		return store.Info{}, err
	}
	return catalog.Inspectors[scheme](ctx, address)
}

// address is the scheme and the address by which the catalog knows the place.
func (p Place) address() (scheme, address string, err error) {
	if p.Store == "" {
		return "sqlite", p.Data, nil
	}
	scheme, _, _ = strings.Cut(p.Store, "://")
	if scheme == "sqlite" || catalog.Stores[scheme] == nil {
		return "", "", fmt.Errorf("--store: write postgres://user:password@host/database; a SQLite database is named by its folder, --data")
	}
	return scheme, p.Store, nil
}
