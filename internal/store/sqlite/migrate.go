package sqlite

import (
	"crypto/rand"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/store"
)

//go:embed migrations/*.sql
var embedded embed.FS

// schema is the way from an empty file to the newest tables: migration n takes a database
// from version n-1 to n. There is no way back.
type schema []migration

type migration struct{ name, script string }

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

// readSchema reads migrations from files NNNN_NAME.sql, which count from 1 without a hole.
func readSchema(files fs.FS) (schema, error) {
	list, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	var s schema
	for i, name := range list {
		if !strings.HasPrefix(name, fmt.Sprintf("%04d_", i+1)) {
			return nil, fmt.Errorf("migration %d is the file %s", i+1, name)
		}
		script, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		s = append(s, migration{name, string(script)})
	}
	return s, nil
}

// newest is the version of the tables that the program reads and writes.
func (s schema) newest() int { return len(s) }

// applicationID marks the file as Foretick's in its header ("FTK1").
const applicationID = 0x46544B31

// versionOf reads the version of the tables, 0 of an empty file. A file of another program
// is refused.
func versionOf(conn *conn) (int, error) {
	id, err := sqlitex.ResultInt64(conn.Prep("PRAGMA application_id"))
	if err != nil {
		return 0, err
	}
	version, err := sqlitex.ResultInt(conn.Prep("PRAGMA user_version"))
	if err != nil {
		return 0, err
	}
	tables, err := sqlitex.ResultInt(conn.Prep("SELECT count(*) FROM sqlite_schema"))
	if err == nil && id != applicationID && (tables > 0 || version > 0) {
		err = errForeign
	}
	return version, err
}

// known reads the version of the tables, and refuses those that this program is too old for.
func (s schema) known(conn *conn) (int, error) {
	version, err := versionOf(conn)
	if err == nil && version > s.newest() {
		err = fmt.Errorf("%w: its schema has version %d, this program knows versions up to %d; use a newer Foretick", store.ErrVersion, version, s.newest())
	}
	return version, err
}

// migrate brings the tables to the newest version, one transaction a migration: one that
// fails, or a process that is killed, leaves the version before it.
func (s schema) migrate(conn *conn) error {
	version, err := s.known(conn)
	if err != nil {
		return err
	}
	for n := version; n < s.newest(); n++ {
		if err := s[n].run(conn, n+1); err != nil {
			return fmt.Errorf("migrate the schema by %s: %w", s[n].name, err)
		}
	}
	return nil
}

func (m migration) run(conn *conn, version int) error {
	return transaction(conn, func() error {
		if err := execScript(conn, m.script); err != nil {
			return err
		}
		if version == 1 {
			if err := exec(conn, sqlNewMeta, newEpoch()); err != nil {
				return err
			}
		}
		return execScript(conn, fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d;", applicationID, version))
	})
}

// check refuses tables that are not exactly of the newest version.
func (s schema) check(conn *conn) error {
	version, err := s.known(conn)
	switch {
	case err != nil:
	case version == 0:
		err = fmt.Errorf("%w: it is empty; foretick serve or foretick import creates what is needed", store.ErrNotFound)
	case version < s.newest():
		err = fmt.Errorf("%w: its schema has version %d, this program reads version %d; foretick db migrate brings it up to date", store.ErrVersion, version, s.newest())
	}
	return err
}

// transaction runs f in a transaction of its own, which is undone when f fails.
func transaction(conn *conn, f func() error) (err error) {
	end, err := sqlitex.ImmediateTransaction(conn.Conn)
	if err != nil {
		return err
	}
	defer end(&err)
	return f()
}

func execScript(conn *conn, script string) error {
	return sqlitex.ExecuteScript(conn.Conn, script, nil)
}

func newEpoch() string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
