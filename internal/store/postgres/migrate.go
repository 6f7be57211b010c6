package postgres

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/foretick/foretick/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// oldestServer is the first version of PostgreSQL that this package is made for.
const oldestServer = 150000

// migrate brings the schema up to date, under a lock: of several processes that start at once
// one does it and the others wait. A schema that is newer than this program is refused.
func migrate(ctx context.Context, cfg *pgx.ConnConfig) (err error) {
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()
	var server, key int
	var schema, extension string // where TimescaleDB is, empty: nowhere
	err = db.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int, coalesce(current_schema(), ''), hashtext(coalesce(current_schema(), '')), coalesce((SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb'), '')").
		Scan(&server, &schema, &key, &extension)
	if err != nil {
		return err
	}
	if server < oldestServer {
		return fmt.Errorf("the server is PostgreSQL %d; Foretick needs 15 or newer", server/10000)
	}
	if schema == "" {
		return fmt.Errorf("%w: no schema of the search path exists, or may be used; create one, or name another by ?search_path=NAME", store.ErrReadOnly)
	}
	files, err := schemaFiles(extension)
	if err != nil {
		return err
	}
	// The lock is of the schema: two schemas of one database are two stores.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockKey+int64(key)), lock.WithLockTimeout(1, 300))
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
	if err := knownVersion(have); err != nil {
		return err
	}
	if have > 0 {
		if err := prepareSchema(ctx, cfg, have); err != nil {
			return err
		}
	}
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	if have, err = p.GetDBVersion(ctx); err != nil { // a newer program may have been quicker
		return err
	}
	if err := knownVersion(have); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "INSERT INTO meta (id, epoch) VALUES (1, $1) ON CONFLICT (id) DO NOTHING", rand.Text())
	return err
}

// newestVersion is the number of the last migration.
func newestVersion() int64 {
	list, err := migrations.ReadDir("migrations")
	if err != nil {
		panic(err) // they are embedded
	}
	n, err := goose.NumericComponent(list[len(list)-1].Name())
	if err != nil {
		panic(err)
	}
	return n
}

// knownVersion refuses a schema that this program is too old for.
func knownVersion(have int64) error {
	if newest := newestVersion(); have > newest {
		return fmt.Errorf("%w: its schema has version %d, this program knows versions up to %d; use a newer Foretick", store.ErrVersion, have, newest)
	}
	return nil
}

// version is the version of the schema. The error wraps store.ErrNotFound when there is none.
func version(ctx context.Context, q querier) (int64, error) {
	var have *int64
	err := q.QueryRow(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&have)
	switch {
	case codeOf(err) == "42P01" || err == nil && (have == nil || *have == 0): // undefined_table
		return 0, fmt.Errorf("%w: it holds nothing of Foretick's; foretick serve or foretick import with this --store creates what is needed", store.ErrNotFound)
	case err != nil:
		return 0, err
	}
	return *have, nil
}

// readable refuses a database that a reader does not understand.
func readable(ctx context.Context, pool querier) error {
	have, err := version(ctx, pool)
	if err != nil {
		return err
	}
	if newest := newestVersion(); have < newest {
		return fmt.Errorf("%w: its schema has version %d, this program reads version %d; foretick db migrate brings it up to date", store.ErrVersion, have, newest)
	}
	return knownVersion(have)
}
