package sqlite

import (
	"crypto/rand"
	"embed"
	"encoding/hex"
	"fmt"

	"zombiezen.com/go/sqlite"
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
func migrate(conn *sqlite.Conn) error {
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
		return fmt.Errorf("%w: it is a database of another program", store.ErrCorrupt)
	case version > len(files):
		return fmt.Errorf("%w: its schema has version %d, this program knows versions up to %d; use a newer Foretick", store.ErrCorrupt, version, len(files))
	}
	for n := version; n < len(files); n++ {
		if err := migrateTo(conn, n+1, files[n].Name()); err != nil {
			return fmt.Errorf("migrate the schema by %s: %w", files[n].Name(), err)
		}
	}
	return nil
}

func migrateTo(conn *sqlite.Conn, version int, file string) (err error) {
	script, err := migrations.ReadFile("migrations/" + file)
	if err != nil {
		return err
	}
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer end(&err)
	if err := sqlitex.ExecuteScript(conn, string(script), nil); err != nil {
		return err
	}
	if version == 1 {
		if err := sqlitex.Execute(conn, sqlNewMeta, &sqlitex.ExecOptions{Args: []any{newEpoch()}}); err != nil {
			return err
		}
	}
	return sqlitex.ExecuteScript(conn, fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d;", applicationID, version), nil)
}

func newEpoch() string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
