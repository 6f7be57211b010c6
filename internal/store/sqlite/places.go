package sqlite

import (
	"encoding/binary"
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
)

// perRow is the number of places in a row of bar_place and entry_place. An index
// with a row for every event would cost each commit a page for every series; the
// newest places stand in the row of the chain, which is written anyway, and move to
// a row of their own when there are enough of them.
const perRow = 64

// place is where in the order of events something of a series stands.
//
// In a body each place is the difference of its number from the one before (the
// first from 0) as uvarint, its kind in a byte, and the difference of its time as
// varint.
type place struct {
	seq  uint64
	kind uint8 // 0 for a bar, the kind of an entry
	time int64 // start of the bar, or the subject's time
}

// tail holds the places of a series that are in no row yet.
type tail struct {
	n      int
	last   place
	lo, hi int64 // of the times
	kinds  int64 // bit mask
	body   []byte
}

func (t *tail) add(p place) {
	if t.n == 0 {
		t.lo, t.hi = p.time, p.time
	}
	t.body = binary.AppendUvarint(t.body, p.seq-t.last.seq)
	t.body = append(t.body, p.kind)
	t.body = binary.AppendVarint(t.body, p.time-t.last.time)
	t.n++
	t.last = p
	t.lo, t.hi = min(t.lo, p.time), max(t.hi, p.time)
	t.kinds |= 1 << p.kind
}

func (t *tail) reset() { *t = tail{body: t.body[:0]} }

func readTail(body []byte) (t tail, err error) {
	list, err := readPlaces(nil, body)
	t.body = make([]byte, 0, max(len(body), perRow*8))
	for _, p := range list {
		t.add(p)
	}
	return t, err
}

// readPlaces appends the places in body to list.
func readPlaces(list []place, body []byte) ([]place, error) {
	var p place
	for len(body) > 0 {
		seq, n := binary.Uvarint(body)
		if n <= 0 || n >= len(body) {
			return list, fmt.Errorf("%w: a list of places is cut short", store.ErrCorrupt)
		}
		t, m := binary.Varint(body[n+1:])
		if m <= 0 {
			return list, fmt.Errorf("%w: a list of places is cut short", store.ErrCorrupt)
		}
		p = place{p.seq + seq, body[n], p.time + t}
		list = append(list, p)
		body = body[n+1+m:]
	}
	return list, nil
}

// addBar notes where a bar stands.
func (c *chain) addBar(conn *conn, p place) error {
	c.barTail.add(p)
	c.bars++
	// Series fill their rows at different commits.
	if (c.bars+uint64(c.series))%perRow != 0 {
		return nil
	}
	err := exec(conn, sqlAddBarPlace, c.series, int64(p.seq), c.barTail.body, c.newestBar)
	c.barTail.reset()
	return err
}

// addEntry notes where the newest entry stands.
func (c *chain) addEntry(conn *conn, p place) error {
	t := &c.entryTail
	t.add(p)
	if (c.head.Seq+uint64(c.series))%perRow != 0 {
		return nil
	}
	err := exec(conn, sqlAddEntryPlace, c.series, int64(c.head.Seq), t.lo, t.hi, t.kinds, t.body)
	t.reset()
	return err
}

// eachBarPlace calls f for the bars of a series with numbers > after, in order,
// until it returns false.
func eachBarPlace(conn *conn, series int64, after uint64, f func(place) (bool, error)) error {
	return eachBarPlaces(conn, series, after, func(list []place) (more bool, err error) {
		more = true
		for i := 0; i < len(list) && more && err == nil; i++ {
			if list[i].seq > after {
				more, err = f(list[i])
			}
		}
		return more, err
	})
}

// eachBarPlaces calls f for each row of places, from the first that holds a number >
// after and with the newest places last, until it returns false.
func eachBarPlaces(conn *conn, series int64, after uint64, f func([]place) (bool, error)) error {
	more := true
	var list []place
	visit := func(body []byte) (err error) {
		if list, err = readPlaces(list[:0], body); err == nil {
			more, err = f(list)
		}
		return err
	}
	var bad error
	var buf []byte
	err := each(conn, sqlBarPlaces, func(r *sqlite.Stmt) bool {
		buf = column(r, 0, buf)
		bad = visit(buf)
		return more && bad == nil
	}, series, int64(after))
	if err == nil {
		err = bad
	}
	if err != nil || !more {
		return err
	}
	c, err := readChain(conn, series)
	if err != nil {
		return err
	}
	return visit(c.barTail.body)
}

// eachEntryPlace calls f for the entries of a series that q selects, with their
// numbers, in the order of q, until it returns false.
func eachEntryPlace(conn *conn, series int64, q store.EntryQuery, f func(num uint64, p place) (bool, error)) error {
	from, to, _ := bounds(q.Times)
	first, end, mask := q.From, q.To, kindMask(q.Kinds)
	if end == 0 || end > math.MaxInt64 {
		end = math.MaxInt64
	}
	if first >= end {
		return nil
	}
	more := true
	var list []place
	visit := func(last uint64, body []byte) (err error) {
		list, err = readPlaces(list[:0], body)
		for i := 0; i < len(list) && more && err == nil; i++ {
			k := i
			if q.Times.Newest {
				k = len(list) - 1 - i
			}
			p, num := list[k], last-uint64(len(list)-1-k)
			if num >= first && num < end && mask>>p.kind&1 != 0 && p.time >= from && p.time < to {
				more, err = f(num, p)
			}
		}
		return err
	}
	rows := func(query string) error {
		var bad error
		var buf []byte
		err := each(conn, query, func(r *sqlite.Stmt) bool {
			buf = column(r, 1, buf)
			bad = visit(uint64(r.ColumnInt64(0)), buf)
			return more && bad == nil
		}, series, int64(first), int64(min(end, math.MaxInt64-perRow)+perRow-1), from, to, mask)
		if err == nil {
			err = bad
		}
		return err
	}
	c, err := readChain(conn, series)
	if err != nil {
		return err
	}
	if q.Times.AsOf != 0 {
		then, err := entriesThen(conn, c, q.Times.AsOf)
		if err != nil {
			return err
		}
		if end = min(end, then+1); first >= end {
			return nil
		}
	}
	if !q.Times.Newest {
		if err := rows(sqlEntryPlaces); err != nil || !more {
			return err
		}
		return visit(c.head.Seq, c.entryTail.body)
	}
	if err := visit(c.head.Seq, c.entryTail.body); err != nil || !more {
		return err
	}
	return rows(sqlEntryPlacesNew)
}

// column copies a blob into buf, which grows as needed.
func column(r *sqlite.Stmt, i int, buf []byte) []byte {
	n := r.ColumnLen(i)
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	r.ColumnBytes(i, buf)
	return buf
}
