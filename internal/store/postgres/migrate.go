package postgres

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date, under a lock: of several processes that start at once
// one does it and the others wait. A schema that is newer than this program is refused.
func migrate(ctx context.Context, cfg *pgx.ConnConfig, now func() time.Time) (err error) {
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	list := p.ListSources()
	if newest := list[len(list)-1].Version; have > newest {
		return fmt.Errorf("%w: the database has version %d, this program knows up to %d; use a newer Foretick", store.ErrCorrupt, have, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "INSERT INTO meta (id, epoch) VALUES (1, $1) ON CONFLICT (id) DO NOTHING", rand.Text())
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, sqlBeginClock, int64(market.TimeOf(now())))
	return err
}
