package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// Quarantine keeps rejects. A reject that is known already is kept once.
func (s *Store) Quarantine(ctx context.Context, at time.Time, rejects []feed.Reject) error {
	if len(rejects) == 0 {
		return ctx.Err()
	}
	return s.write(ctx, "quarantine rejects of "+rejects[0].Source, func(w *writer) error {
		for i := range rejects {
			r := &rejects[i]
			digest := rejectDigest(r)
			w.wrote = true
			if err := exec(w.conn, sqlAddReject, digest[:16], int64(market.TimeOf(at)), r.Source, r.Instrument, r.Line, []byte(r.Raw), r.Reason); err != nil {
				return err
			}
		}
		return nil
	})
}

// rejectDigest identifies a reject by source, line, raw and reason.
func rejectDigest(r *feed.Reject) [sha256.Size]byte {
	var b []byte
	for _, s := range [...]string{r.Source, r.Raw, r.Reason} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(binary.BigEndian.AppendUint64(b, uint64(r.Line)))
}

// Quarantined lists rejects, newest first, with number < before (0: newest).
func (s *Store) Quarantined(ctx context.Context, before uint64, limit int) (list []store.QuarantineRecord, err error) {
	if before == 0 || before > math.MaxInt64 {
		before = math.MaxInt64
	}
	if limit <= 0 {
		return nil, ctx.Err()
	}
	err = s.read(ctx, "read the quarantine", func(conn *conn) error {
		return each(conn, sqlRejects, func(r *sqlite.Stmt) bool {
			raw := make([]byte, r.ColumnLen(5))
			r.ColumnBytes(5, raw)
			list = append(list, store.QuarantineRecord{
				Num: uint64(r.ColumnInt64(0)), At: market.Time(r.ColumnInt64(1)),
				Reject: feed.Reject{Source: r.ColumnText(2), Instrument: r.ColumnText(3), Line: r.ColumnInt(4), Raw: string(raw), Reason: r.ColumnText(6)},
			})
			return true
		}, int64(before), limit)
	})
	return list, err
}

// QuarantineCount is the number of rejects kept.
func (s *Store) QuarantineCount(ctx context.Context) (n int, err error) {
	err = s.read(ctx, "count the quarantine", func(conn *conn) error {
		c, err := number(conn, sqlRejectCount)
		n = int(c)
		return err
	})
	return n, err
}
