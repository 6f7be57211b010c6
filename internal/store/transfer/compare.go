package transfer

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// compare reads source and copy side by side, row by row, and verifies the chains of the
// copy as it goes.
func (c *copier) compare(ctx context.Context, all []store.SeriesRecord) (n store.Counts, err error) {
	copied, err := c.to.Series(ctx)
	if err != nil {
		return n, err
	}
	if len(copied) != len(all) {
		return n, fmt.Errorf("%w: %d series, the source has %d", ErrDiffers, len(copied), len(all))
	}
	n.Series = int64(len(all))
	last, err := c.from.LastEvent(ctx)
	if err != nil {
		return n, err
	}
	c.watch.begin("comparing events", int64(last))
	chains := map[market.SeriesID]*ledger.Verifier{}
	done := uint64(0)
	err = both("event", events(ctx, c.from, 0), events(ctx, c.to, 0), func(a, b *store.Item) (bool, error) {
		c.watch.add(int(a.Seq - done))
		done = a.Seq
		if a.Event != b.Event {
			return false, nil
		}
		if a.Entry == nil {
			n.Bars++
			return *a.Bar == *b.Bar, nil
		}
		n.Entries++
		v := chains[a.Series]
		if v == nil {
			v = &ledger.Verifier{}
			chains[a.Series] = v
		}
		if err := v.Add(*b.Entry); err != nil {
			return false, err
		}
		return a.Entry.Hash == b.Entry.Hash && bytes.Equal(a.Entry.Bytes, b.Entry.Bytes), nil
	})
	if err != nil {
		return n, err
	}
	for _, rec := range all {
		if err := c.compareSeries(ctx, rec.ID(), chains[rec.ID()], &n); err != nil {
			return n, fmt.Errorf("%s: %w", rec.ID(), err)
		}
	}
	return n, c.compareRest(ctx, &n)
}

func (c *copier) compareSeries(ctx context.Context, id market.SeriesID, v *ledger.Verifier, n *store.Counts) error {
	head, cursor, err := c.from.Head(ctx, id)
	if err != nil {
		return err
	}
	copied, at, err := c.to.Head(ctx, id)
	switch {
	case err != nil:
		return err
	case head != copied || cursor != at || v != nil && v.Head() != head || v == nil && head.Seq > 0:
		return fmt.Errorf("%w: its head is entry %d, %s, at event %d; that of the source is entry %d, %s, at event %d", ErrDiffers, copied.Seq, copied.Hash, at.BarSeq, head.Seq, head.Hash, cursor.BarSeq)
	}
	r1, err := c.from.ScoreRevision(ctx, id)
	if err != nil {
		return err
	}
	if r2, err := c.to.ScoreRevision(ctx, id); err != nil || r1 != r2 {
		return joinDiffers(err, "the revision of the scores")
	}
	c.watch.begin("comparing the scores of "+string(id), 0)
	err = both("score", scores(ctx, c.from, id, 0), scores(ctx, c.to, id, 0), func(a, b *score.Score) (bool, error) {
		c.watch.add(1)
		n.Scores++
		return sameScore(*a, *b), nil
	})
	if err != nil {
		return err
	}
	c.watch.begin("comparing the ticks of "+string(id), 0)
	err = both("tick", ticks(ctx, c.from, id), ticks(ctx, c.to, id), func(a, b *market.Tick) (bool, error) {
		c.watch.add(1)
		return *a == *b, nil
	})
	if err != nil {
		return err
	}
	c.watch.begin("comparing the candles of "+string(id), 0)
	_, s1, err := c.from.Candles(ctx, id, store.Candle{}, 1)
	if err != nil {
		return err
	}
	_, s2, err := c.to.Candles(ctx, id, store.Candle{}, 1)
	if err != nil || (s1 == nil) != (s2 == nil) || s1 != nil && *s1 != *s2 {
		return joinDiffers(err, "the state of the candles")
	}
	return both("candle", candles(ctx, c.from, id), candles(ctx, c.to, id), func(a, b *store.Candle) (bool, error) {
		c.watch.add(1)
		return *a == *b, nil
	})
}

func (c *copier) compareRest(ctx context.Context, n *store.Counts) error {
	c.watch.begin("comparing the rest", 0)
	err := both("row of the clock", stamps(ctx, c.from, market.MinTime), stamps(ctx, c.to, market.MinTime), func(a, b *store.Stamp) (bool, error) { return *a == *b, nil })
	if err != nil {
		return err
	}
	err = both("record of splits and dividends", actions(ctx, c.from, 0), actions(ctx, c.to, 0), func(a, b *store.ActionRecord) (bool, error) {
		n.Actions++
		return *a == *b, nil
	})
	if err != nil {
		return err
	}
	err = both("reject", rejects(ctx, c.from, 0), rejects(ctx, c.to, 0), func(a, b *store.QuarantineRecord) (bool, error) {
		n.Rejects++
		return *a == *b, nil
	})
	if err != nil {
		return err
	}
	return both("document", documents(ctx, c.from), documents(ctx, c.to), func(a, b *store.Document) (bool, error) {
		n.Documents++
		return a.Kind == b.Kind && a.Name == b.Name && a.At == b.At && bytes.Equal(a.Body, b.Body), nil
	})
}

func joinDiffers(err error, what string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", ErrDiffers, what)
}

// both reads two lists side by side; same tells whether two rows are.
func both[T any](what string, a, b iter.Seq2[T, error], same func(a, b *T) (bool, error)) error {
	next, stop := iter.Pull2(b)
	defer stop()
	n := 0
	for x, err := range a {
		if err != nil {
			return err
		}
		n++
		y, err, ok := next()
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w: %s number %d is missing", ErrDiffers, what, n)
		}
		if ok, err := same(&x, &y); err != nil || !ok {
			return joinDiffers(err, fmt.Sprintf("%s number %d", what, n))
		}
	}
	if _, err, ok := next(); err != nil || ok {
		return joinDiffers(err, fmt.Sprintf("there is a %s more than the %d of the source", what, n))
	}
	return nil
}

// sameScore compares bit by bit: NaN is NaN.
func sameScore(a, b score.Score) bool {
	for _, p := range [...][2]*float64{
		{&a.Last, &b.Last}, {&a.Predicted, &b.Predicted}, {&a.Actual, &b.Actual}, {&a.Lower, &b.Lower}, {&a.Upper, &b.Upper}, {&a.Scale, &b.Scale},
		{&a.CRPS, &b.CRPS}, {&a.NaiveCRPS, &b.NaiveCRPS}, {&a.GainLow, &b.GainLow}, {&a.GainHigh, &b.GainHigh}, {&a.PIT, &b.PIT}, {&a.Volatility, &b.Volatility},
	} {
		if math.Float64bits(*p[0]) != math.Float64bits(*p[1]) {
			return false
		}
		*p[0], *p[1] = 0, 0 // a and b are copies
	}
	return a == b
}
