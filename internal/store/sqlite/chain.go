package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/rollup"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// chain is where a series stands: the row of table chain.
type chain struct {
	series        int64
	head          ledger.Head
	cursor        store.Cursor
	scoreRevision uint64
	scoredTo      int64
	recent, steps uint64
	bars          uint64
	barTail       tail
	entryTail     tail

	// What follows is not stored.
	moved     bool // by the transaction that runs
	newestBar int64
	roll      *rollup.Roll // nil: neither it nor newestBar was read
}

func readChain(conn *conn, id int64) (*chain, error) {
	c := &chain{series: id, scoredTo: math.MinInt64}
	var bad error
	err := each(conn, sqlChain, func(r *sqlite.Stmt) bool {
		c.head.Seq = uint64(r.ColumnInt64(0))
		r.ColumnBytes(1, c.head.Hash[:])
		c.cursor.BarSeq = uint64(r.ColumnInt64(2))
		r.ColumnBytes(3, c.cursor.Inputs[:])
		c.scoreRevision = uint64(r.ColumnInt64(4))
		c.scoredTo = r.ColumnInt64(5)
		c.recent, c.steps, c.bars = uint64(r.ColumnInt64(6)), uint64(r.ColumnInt64(7)), uint64(r.ColumnInt64(8))
		var err1, err2 error
		c.barTail, err1 = readTail(column(r, 9, nil))
		c.entryTail, err2 = readTail(column(r, 10, nil))
		bad = errors.Join(err1, err2)
		return true
	}, id)
	if err == nil {
		err = bad
	}
	return c, err
}

func (c *chain) write(conn *conn) error {
	return exec(conn, sqlPutChain, c.series, int64(c.head.Seq), c.head.Hash[:], int64(c.cursor.BarSeq), c.cursor.Inputs[:],
		int64(c.scoreRevision), c.scoredTo, int64(c.recent), int64(c.steps), int64(c.bars), c.barTail.body, c.entryTail.body)
}

// Head returns the last entry's number and hash and the cursor stored with it.
func (s *Store) Head(ctx context.Context, key market.SeriesID) (h ledger.Head, at store.Cursor, err error) {
	err = s.read(ctx, "read the head of "+string(key), func(conn *conn) error {
		id, err := seriesID(conn, key)
		if err != nil {
			return err
		}
		if id == 0 {
			return fmt.Errorf("%w: the series is not registered", store.ErrNotFound)
		}
		c, err := readChain(conn, id)
		h, at = c.head, c.cursor
		return err
	})
	return h, at, err
}
