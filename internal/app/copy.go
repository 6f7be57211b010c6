package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/transfer"
)

// CopyTo makes the store at to, which is empty or an unfinished copy of this one, its copy, reads
// it back and compares. Neither may be used by another process meanwhile. The error wraps those
// of packages transfer and store.
func (p Place) CopyTo(ctx context.Context, to Place, w transfer.Watch) (counts store.Counts, resumed bool, err error) {
	info, err := p.Inspect(ctx)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return counts, false, fmt.Errorf("--from: there is no database in %s", p)
	case err != nil:
		return counts, false, fmt.Errorf("--from: %w", err)
	case info.Version < info.Newest:
		return counts, false, fmt.Errorf("--from: %s has schema version %d, the newest is %d: run foretick db migrate on it first", p, info.Version, info.Newest)
	}
	if there, err := to.Inspect(ctx); err == nil && there.Epoch == info.Epoch {
		return counts, false, fmt.Errorf("--to: %s is the database of --from, or a file that was copied from it; choose another", to)
	}
	from, err := p.hold(ctx)
	if err != nil {
		return counts, false, fmt.Errorf("--from: %w", err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := transfer.Whole(ctx, from); err != nil {
		return counts, false, fmt.Errorf("--from: %s: %w", p, err)
	}
	target, err := to.hold(ctx)
	if err != nil {
		return counts, false, fmt.Errorf("--to: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	return transfer.Copy(ctx, from, target, w)
}

// hold opens a store for this process alone, be it an unfinished copy.
func (p Place) hold(ctx context.Context) (store.Store, error) {
	scheme, address, err := p.address()
	if err != nil {
		return nil, err
	}
	return catalog.Stores[scheme](ctx, address, false)
}
