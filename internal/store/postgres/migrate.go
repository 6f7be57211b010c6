package postgres

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/foretick/foretick/internal/store"
)

//go:embed migrations/*.sql
var embedded embed.FS

// schema is the way from an empty database to the newest tables: migration n takes it from
// version n-1 to n. There is no way back.
type schema struct {
	files  fs.FS // NNNNN_NAME.sql, as goose reads them
	newest int64
}

// current is the schema of this program.
var current = func() schema {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // it is part of the program
	}
	s, err := readSchema(files)
	if err != nil {
		panic(err)
	}
	return s
}()

// readSchema finds the migrations, which count from 1 without a hole.
func readSchema(files fs.FS) (schema, error) {
	list, err := fs.Glob(files, "*.sql")
	for i, name := range list {
		if !strings.HasPrefix(name, fmt.Sprintf("%05d_", i+1)) {
			return schema{}, fmt.Errorf("migration %d is the file %s", i+1, name)
		}
	}
	return schema{files, int64(len(list))}, err
}

// oldestServer is the first version of PostgreSQL that this package is made for.
const oldestServer = 150000

// migrate brings the tables to the newest version, one transaction a migration, under a lock: of
// several processes that start at once one does it and the others wait. Tables that are newer than
// this program are refused.
func (s schema) migrate(ctx context.Context, cfg *pgx.ConnConfig) (err error) {
	cfg = cfg.Copy()
	cfg.RuntimeParams["statement_timeout"] = "0" // what is done to all rows takes its time
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()
	var server, key int
	var name, extension string // where TimescaleDB is, empty: nowhere
	err = db.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int, coalesce(current_schema(), ''), hashtext(coalesce(current_schema(), '')), coalesce((SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb'), '')").
		Scan(&server, &name, &key, &extension)
	if err != nil {
		return err
	}
	if server < oldestServer {
		return fmt.Errorf("the server is PostgreSQL %d; Foretick needs 15 or newer", server/10000)
	}
	if name == "" {
		return fmt.Errorf("%w: no schema of the search path exists, or may be used; create one, or name another by ?search_path=NAME", store.ErrReadOnly)
	}
	files, err := s.filesFor(extension)
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
	if err := s.known(have); err != nil {
		return err
	}
	if have > 0 && have < s.newest {
		free, err := alone(ctx, cfg)
		if err != nil {
			return err
		}
		defer free()
	}
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	if have, err = p.GetDBVersion(ctx); err != nil { // a newer program may have been quicker
		return err
	}
	if err := s.known(have); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "INSERT INTO meta (id, epoch) VALUES (1, $1) ON CONFLICT (id) DO NOTHING", rand.Text())
	return err
}

// alone takes the right to write: nobody else may have it while tables change. free gives it back.
func alone(ctx context.Context, cfg *pgx.ConnConfig) (free func(), err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	free = func() {
		ctx := context.WithoutCancel(ctx)
		_, _ = conn.Exec(ctx, sqlUnlock, int32(lockKey&0x7fffffff)) // or it goes with the session
		_ = conn.Close(ctx)
	}
	for wait := time.Now().Add(lockPatience); ; {
		var got bool
		err = conn.QueryRow(ctx, sqlLock, int32(lockKey&0x7fffffff)).Scan(&got)
		if got {
			return free, nil
		}
		if err == nil && !time.Now().Before(wait) {
			err = fmt.Errorf("%w: its schema is to be brought up to date, but a Foretick writes to it; stop that one first", store.ErrLocked)
		}
		if err != nil {
			free()
			return nil, err
		}
		select { // it may be that of a process that was killed a moment ago
		case <-ctx.Done():
			free()
			return nil, ctx.Err()
		case <-time.After(lockPatience / 50):
		}
	}
}

// known refuses tables that this program is too old for.
func (s schema) known(have int64) error {
	if have > s.newest {
		return fmt.Errorf("%w: its schema has version %d, this program knows versions up to %d; use a newer Foretick", store.ErrVersion, have, s.newest)
	}
	return nil
}

// versionOf is the version of the tables. The error wraps store.ErrNotFound when there are none.
func versionOf(ctx context.Context, q querier) (int64, error) {
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

// check refuses tables that are not exactly of the newest version.
func (s schema) check(ctx context.Context, pool querier) error {
	have, err := versionOf(ctx, pool)
	if err != nil {
		return err
	}
	if have < s.newest {
		return fmt.Errorf("%w: its schema has version %d, this program reads version %d; foretick db migrate brings it up to date", store.ErrVersion, have, s.newest)
	}
	return s.known(have)
}
