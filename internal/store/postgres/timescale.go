package postgres

import (
	"bytes"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/jackc/pgx/v5"
)

// In a database in which TimescaleDB (2.11 or newer) is installed when the schema is made, the
// tables that grow without end are hypertables: TimescaleDB makes their chunks, and compresses
// those that are old. The clock, which is small, and ticks, which are deleted within days, are partitioned
// all the same. Everything else,
// reading and writing too, is the same.

// chunk is the size of a chunk by time in microseconds, 30 days; compressAfter the age at which
// chunks are compressed, 90 days: what changes bars and scores later still works, only slower.
const (
	chunk         = int64(30*24*3600) * 1e6
	compressAfter = 3 * chunk
)

// hypertables says how each growing table is cut and compressed: by a column, in segments of a
// series, in an order that its primary key needs.
var hypertables = []struct{ table, by, now, order string }{
	{"bar", "start", "foretick_now", "start"},
	{"bar_revision", "start", "foretick_now", "start, seq"},
	{"score", "target", "foretick_now", "target, cutoff, model, horizon, version"},
	{"event", "seq", "foretick_events", "seq"},
	{"ledger", "seq", "foretick_events", "seq"},
}

// timescale is what makes hypertables of the plain tables. schema is where the extension's
// functions are.
func timescale(schema string) []string {
	in := pgx.Identifier{schema}.Sanitize()
	list := []string{
		"CREATE FUNCTION foretick_now() RETURNS bigint LANGUAGE sql STABLE SET search_path FROM CURRENT AS 'SELECT (extract(epoch FROM now()) * 1000000)::bigint'",
		"CREATE FUNCTION foretick_events() RETURNS bigint LANGUAGE sql STABLE SET search_path FROM CURRENT AS 'SELECT last_event FROM meta WHERE id = 1'",
		"CREATE UNIQUE INDEX ledger_series_num ON ledger (series, num, seq)",
	}
	for _, h := range hypertables {
		size, after := chunk, compressAfter
		if h.by == "seq" {
			size, after = int64(1)<<numberBits, int64(1)<<numberBits
		}
		list = append(list,
			fmt.Sprintf("SELECT %s.create_hypertable('%s', '%s', chunk_time_interval => %d::bigint, create_default_indexes => false)", in, h.table, h.by, size),
			fmt.Sprintf("SELECT %s.set_integer_now_func('%s', '%s')", in, h.table, h.now),
			fmt.Sprintf("ALTER TABLE %s SET (timescaledb.compress, timescaledb.compress_segmentby = 'series', timescaledb.compress_orderby = '%s')", h.table, h.order),
			fmt.Sprintf("SELECT %s.add_compression_policy('%s', compress_after => %d::bigint)", in, h.table, after),
		)
	}
	return list
}

// filesFor are the migrations: as they are, or, where the schema extension holds TimescaleDB,
// with hypertables in place of partitioned tables.
func (s schema) filesFor(extension string) (fs.FS, error) {
	if extension == "" {
		return s.files, nil
	}
	const first = "00001_init.sql"
	b, err := fs.ReadFile(s.files, first)
	if err != nil {
		return nil, err
	}
	for _, h := range hypertables {
		partitioned := regexp.MustCompile(`(CREATE TABLE ` + h.table + ` \([^;]*\)) PARTITION BY RANGE \(` + h.by + `\);`)
		b = partitioned.ReplaceAll(b, []byte("$1;"))
	}
	for _, sql := range timescale(extension) {
		b = append(b, "\n"+sql+";\n"...)
	}
	return &instead{FS: s.files, name: first, body: b}, nil
}

// instead is a file system in which one file has another content.
type instead struct {
	fs.FS
	name string
	body []byte
}

// Open is fs.FS's.
func (i *instead) Open(name string) (fs.File, error) {
	f, err := i.FS.Open(name)
	if err != nil || name != i.name {
		return f, err
	}
	return &other{File: f, Reader: bytes.NewReader(i.body)}, nil
}

type other struct {
	fs.File
	*bytes.Reader
}

// Read is fs.File's.
func (o *other) Read(p []byte) (int, error) { return o.Reader.Read(p) }
