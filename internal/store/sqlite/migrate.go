package sqlite

import (
	"crypto/rand"
	"embed"
	"encoding/hex"
	"fmt"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as Foretick's in its header ("FTK1").
const applicationID = 0x46544B31

// migrate brings the schema to the newest version, one transaction a step. Steps
// are files named by number; there is no way back. A file of another program or
// of a newer version is refused.
func migrate(conn *conn) error {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	id, err := sqlitex.ResultInt64(conn.Prep("PRAGMA application_id"))
	if err != nil {
		return err
	}
	version, err := sqlitex.ResultInt(conn.Prep("PRAGMA user_version"))
	if err != nil {
		return err
	}
	tables, err := sqlitex.ResultInt(conn.Prep("SELECT count(*) FROM sqlite_schema"))
	if err != nil {
		return err
	}
	switch {
	case id != applicationID && (tables > 0 || version > 0):
		return errForeign
	case version > len(files):
		return fmt.Errorf("%w: its schema has version %d, this program knows versions up to %d; use a newer Foretick", store.ErrVersion, version, len(files))
	}
	if version == 1 {
		if err := settleFirst(conn); err != nil {
			return fmt.Errorf("settle the schema of version 1: %w", err)
		}
	}
	for n := version; n < len(files); n++ {
		if err := migrateTo(conn, n+1, files[n].Name()); err != nil {
			return fmt.Errorf("migrate the schema by %s: %w", files[n].Name(), err)
		}
	}
	return nil
}

func migrateTo(conn *conn, version int, file string) error {
	script, err := migrations.ReadFile("migrations/" + file)
	if err != nil {
		return err
	}
	return transaction(conn, func() error {
		if err := execScript(conn, string(script)); err != nil {
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

// execTransient runs a statement that is not worth keeping prepared.
func execTransient(conn *conn, query string) error {
	return sqlitex.ExecuteTransient(conn.Conn, query, nil)
}

func newEpoch() string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
