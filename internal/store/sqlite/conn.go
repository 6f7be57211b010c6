package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"
)

// conn is a connection with its prepared statements. They keep what was bound last:
// every use binds all parameters, and a blob that stays bound keeps the allocator
// from returning its page to the system and asking for it again each time.
type conn struct {
	*sqlite.Conn
	stmts map[string]*sqlite.Stmt
}

// ballast holds a block of every size class that the allocator below SQLite has. It
// returns a page to the system as soon as the last block in it is freed, so that
// reading large rows one after the other would map and unmap memory for each.
func (c *conn) ballast() error {
	for size := 1 << 10; size <= 16<<10; size *= 2 {
		stmt, err := c.prepare(fmt.Sprintf("SELECT ? /* %d */", size))
		if err != nil {
			return err
		}
		stmt.BindBytes(1, make([]byte, size-64))
	}
	return nil
}

func (c *conn) prepare(query string) (*sqlite.Stmt, error) {
	if stmt := c.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := c.Prepare(query)
	if err == nil {
		c.stmts[query] = stmt
	}
	return stmt, err
}

// exec runs a prepared statement whose results do not matter.
func exec(conn *conn, query string, args ...any) error {
	return each(conn, query, nil, args...)
}

// each runs a prepared statement and calls row for each row until it returns
// false. args are all of its parameters.
func each(conn *conn, query string, row func(*sqlite.Stmt) bool, args ...any) error {
	stmt, err := conn.prepare(query)
	if err != nil {
		return err
	}
	for i, a := range args {
		switch a := a.(type) {
		case int64:
			stmt.BindInt64(i+1, a)
		case int:
			stmt.BindInt64(i+1, int64(a))
		case float64:
			stmt.BindFloat(i+1, a)
		case string:
			stmt.BindText(i+1, a)
		case []byte:
			stmt.BindBytes(i+1, a)
		default:
			panic(fmt.Sprintf("sqlite: argument %d has type %T", i, a))
		}
	}
	for {
		more, err := stmt.Step()
		if err != nil {
			return err
		}
		if !more || row != nil && !row(stmt) {
			return stmt.Reset()
		}
	}
}

// run steps a bound statement that yields no rows and makes it ready again.
func run(stmt *sqlite.Stmt) error {
	if _, err := stmt.Step(); err != nil {
		return err
	}
	return stmt.Reset()
}
