package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// ErrRefused says that a store holds what a file must not change.
var ErrRefused = errors.New("archive: refused")

// Target is what an import writes to.
type Target interface {
	store.SeriesStore
	store.BarWriter
	store.BarReader
	store.TickWriter
	store.TickReader
	store.StepWriter
	store.LedgerReader
	store.ScoreReader
}

// Imported says what an import did.
type Imported struct {
	Series market.SeriesID
	Kind   Kind
	Kept   int64 // ticks, bars, entries or scores
	Known  int64 // that were there already
	Notes  []string
}

// Import writes files of an archive to a store.
type Import struct {
	Store Target
}

// File imports one file. Ticks come before the bars that they are in, then the ledger that was
// made from those, then scores.
//
// A series that is not known is registered as the file describes it; one that is known must be of
// the same instrument and interval, and stays as it is.
func (im *Import) File(ctx context.Context, in *Input) (*Imported, error) {
	m := &in.Meta
	out := &Imported{Series: m.Series.ID(), Kind: m.Kind}
	if err := im.register(ctx, m.Series); err != nil {
		return nil, fmt.Errorf("%s: %w", in.Name, err)
	}
	var err error
	switch m.Kind {
	case Bars:
		err = im.bars(ctx, in, out)
	case Ledger:
		err = im.ledger(ctx, in, out)
	case Scores:
		err = im.scores(ctx, in, out)
	case Ticks:
		err = im.ticks(ctx, in, out)
	default:
		err = fmt.Errorf("%w: there is no kind %.20q", ErrFormat, m.Kind)
	}
	return out, err
}

func (im *Import) register(ctx context.Context, s store.SeriesRecord) error {
	all, err := im.Store.Series(ctx)
	if err != nil {
		return err
	}
	for _, have := range all {
		if have.ID() != s.ID() {
			continue
		}
		if have.Series != s.Series {
			return fmt.Errorf("%w: the store describes %s as %+v, the file as %+v", ErrRefused, s.ID(), have.Instrument, s.Instrument)
		}
		return nil
	}
	return im.Store.PutSeries(ctx, s)
}

func other(id market.SeriesID, in *Input) error {
	return fmt.Errorf("%w: a row is of series %.100q, the file of %s", ErrFormat, id, in.Meta.Series.ID())
}

func (im *Import) bars(ctx context.Context, in *Input, out *Imported) error {
	allow := in.Meta.Series.Instrument.AllowNonPositive
	batch := make([]store.BarRecord, 0, page)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		fresh, err := im.fresh(ctx, batch)
		if err != nil {
			return err
		}
		kept, _, err := im.Store.CommitBars(ctx, fresh)
		if err != nil {
			return err
		}
		out.Kept, out.Known = out.Kept+int64(kept), out.Known+int64(len(batch)-kept)
		batch = batch[:0]
		return nil
	}
	var seq uint64
	err := Each(ctx, in, func(r *BarRow) error {
		b, err := r.Record()
		if err == nil {
			err = b.Validate(allow)
		}
		switch {
		case err != nil:
			return fmt.Errorf("%w: the bar from %s: %w", ErrFormat, r.Time, err)
		case b.Series != out.Series:
			return other(b.Series, in)
		case b.Seq <= seq:
			return fmt.Errorf("%w: the bar from %s has number %d, after %d: rows must stand in the order of the log", ErrFormat, b.Start, b.Seq, seq)
		}
		seq = b.Seq
		b.Seq = 0
		if batch = append(batch, b); len(batch) == page {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// ticks imports ticks that are not there yet. Both file and store have them in the same order.
func (im *Import) ticks(ctx context.Context, in *Input, out *Imported) error {
	var reading error
	next, stop := iter.Pull(func(yield func(market.Tick) bool) {
		reading = im.Store.EachTick(ctx, out.Series, 0, 0, yield)
	})
	defer stop()
	stored, some := next()
	batch := store.Ticks{Series: out.Series}
	flush := func() error {
		if len(batch.Ticks) == 0 {
			return nil
		}
		_, _, err := im.Store.CommitTicks(ctx, []store.Ticks{batch}, nil)
		out.Kept += int64(len(batch.Ticks))
		batch.Ticks = batch.Ticks[:0]
		return err
	}
	last := market.Tick{Time: market.MinTime}
	err := Each(ctx, in, func(r *TickRow) error {
		t, err := r.Tick()
		if err == nil {
			err = t.Validate(in.Meta.Series.Instrument.AllowNonPositive)
		}
		switch {
		case err != nil:
			return fmt.Errorf("%w: the tick of %s: %w", ErrFormat, r.Time, err)
		case market.SeriesID(r.Series) != out.Series:
			return other(market.SeriesID(r.Series), in)
		case orderTicks(t, last) < 0:
			return fmt.Errorf("%w: the tick of %s stands after one of %s: rows must be in order", ErrFormat, t.Time, last.Time)
		}
		last = t
		for some && orderTicks(stored, t) < 0 {
			stored, some = next()
		}
		if some && (t.Seq != 0 && orderTicks(stored, t) == 0 || stored == t) {
			stored, some = next()
			out.Known++
			return reading
		}
		if batch.Ticks = append(batch.Ticks, t); len(batch.Ticks) == page {
			return flush()
		}
		return nil
	})
	if err := errors.Join(err, reading); err != nil {
		return err
	}
	return flush()
}

// orderTicks is the order in which stores have ticks.
func orderTicks(a, b market.Tick) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(int64(a.Seq), int64(b.Seq)))
}

// fresh are the bars of a batch that are not older than what the store has.
func (im *Import) fresh(ctx context.Context, batch []store.BarRecord) ([]store.BarRecord, error) {
	from, to := batch[0].Start, batch[0].Start
	for i := range batch {
		from, to = min(from, batch[i].Start), max(to, batch[i].Start)
	}
	stored := map[market.Time]int{}
	r := store.Range{From: from, To: to + 1, Limit: page}
	if r.To == 0 {
		r.To = 1 // zero means no bound
	}
	for {
		if r.From == 0 {
			r.From = -1
		}
		bars, err := im.Store.Bars(ctx, batch[0].Series, r)
		if err != nil {
			return nil, err
		}
		for i := range bars {
			stored[bars[i].Start] = bars[i].Revision
		}
		if len(bars) < page {
			break
		}
		r.From = bars[len(bars)-1].Start + 1
	}
	if len(stored) == 0 {
		return batch, nil
	}
	fresh := make([]store.BarRecord, 0, len(batch))
	for i := range batch {
		if revision, ok := stored[batch[i].Start]; !ok || batch[i].Revision >= revision {
			fresh = append(fresh, batch[i])
		}
	}
	return fresh, nil
}

// stepBytes is about how many bytes of entries are committed at once.
const stepBytes = 8 << 20

// ledger imports a chain that verifies into a series that has none. Until its last entry is in,
// the cursor stays at zero, which no chain that was followed has: so an import that was broken
// off goes on where it stopped.
func (im *Import) ledger(ctx context.Context, in *Input, out *Imported) error {
	id := out.Series
	var v ledger.Verifier
	have, cursor, err := im.Store.Head(ctx, id)
	if err != nil {
		return err
	}
	begins := have.Seq == 0 // whether what is stored is the beginning of the file
	err = EachEntry(ctx, in, func(s ledger.Sealed) error {
		if err := v.Add(s); err != nil {
			return fmt.Errorf("%w: the chain does not hold: %w", ErrFormat, err)
		}
		begins = begins || s.Seq == have.Seq && s.Hash == have.Hash
		return nil
	})
	switch {
	case err != nil:
		return err
	case v.Head().Seq == 0:
		return fmt.Errorf("%w: %s holds no entries", ErrFormat, in.Name)
	case v.Series() != id:
		return other(v.Series(), in)
	case !in.Meta.chainOf(v.Head()):
		return fmt.Errorf("%w: %s ends at entry %d, the chain that it was taken from at entry %d: only a whole chain is imported", ErrRefused, in.Name, v.Head().Seq, in.Meta.HeadSeq)
	case have == v.Head() && cursor.BarSeq > 0:
		out.Known = int64(have.Seq)
		return nil
	case have.Seq > 0 && (!begins || cursor.BarSeq > 0):
		return fmt.Errorf("%w: %s has a chain of %d entries already; what is sealed is not altered: import into another data folder", ErrRefused, id, have.Seq)
	}
	cursor, note, err := im.cursor(ctx, &in.Meta)
	if err != nil {
		return err
	}
	if note != "" {
		out.Notes = append(out.Notes, note)
	}
	step, size := store.Step{Series: id}, 0
	err = EachEntry(ctx, in, func(s ledger.Sealed) error {
		if s.Seq <= have.Seq {
			return nil
		}
		s.Bytes = append([]byte(nil), s.Bytes...)
		step.Entries = append(step.Entries, s)
		if size += len(s.Bytes); size < stepBytes && s.Seq < v.Head().Seq {
			return nil
		}
		if s.Seq == v.Head().Seq {
			step.Cursor = cursor
		}
		if _, err := im.Store.CommitStep(ctx, step); err != nil {
			return err
		}
		out.Kept += int64(len(step.Entries))
		step, size = store.Step{Series: id}, 0
		return nil
	})
	if err == nil && have == v.Head() { // only the cursor was missing
		step.Cursor = cursor
		_, err = im.Store.CommitStep(ctx, step)
	}
	return err
}

// cursor finds the place in the stored log up to which the forecasts of a chain were made.
func (im *Import) cursor(ctx context.Context, m *Meta) (c store.Cursor, note string, err error) {
	id := m.Series.ID()
	if m.Inputs == (ledger.Hash{}) {
		return c, "", fmt.Errorf("%w: the file does not say which bars the chain was made from", ErrRefused)
	}
	c.Inputs = m.Inputs
	var digest ledger.Hash
	for after := uint64(0); ; {
		recs, err := im.Store.BarLog(ctx, id, after, page)
		if err != nil {
			return c, "", err
		}
		if len(recs) == 0 {
			return c, "", fmt.Errorf("%w: the store lacks the bar of %s (revision %d), the last that the chain of %s was made from: import its bars first", ErrRefused, m.InputBar, m.InputRevision, id)
		}
		for i := range recs {
			r := &recs[i]
			digest = ledger.DigestBar(digest, &r.Bar)
			if r.Start == m.InputBar && r.Revision == m.InputRevision {
				c.BarSeq = r.Seq
				if digest != m.Inputs {
					note = "the stored bars up to " + r.Start.String() + " are not all that the forecasts were made from (or not in that order): the sealed digest of the inputs cannot be checked against them"
				}
				return c, note, nil
			}
		}
		after = recs[len(recs)-1].Seq
	}
}

// scores imports what was scored, for a series whose chain ends where that of the file did. What is
// stored already must be the beginning of the file, as an import leaves it that was broken off.
func (im *Import) scores(ctx context.Context, in *Input, out *Imported) error {
	id := out.Series
	head, cursor, err := im.Store.Head(ctx, id)
	if err != nil {
		return err
	}
	if head.Seq == 0 || !in.Meta.chainOf(head) {
		return fmt.Errorf("%w: the scores are of a chain of %s that ends at entry %d, the store's ends at entry %d; import the ledger of that chain first", ErrRefused, id, in.Meta.HeadSeq, head.Seq)
	}
	var reading error
	stored, stop := iter.Pull(func(yield func(ScoreRow) bool) {
		reading = im.Store.EachScore(ctx, id, store.ScoreQuery{}, func(s *score.Score) bool { return yield(scoreRow(id, s)) })
	})
	defer stop()
	step := store.Step{Series: id, Cursor: cursor}
	flush := func() error {
		if len(step.Scores) == 0 {
			return nil
		}
		_, err := im.Store.CommitStep(ctx, step)
		out.Kept += int64(len(step.Scores))
		step.Scores = step.Scores[:0]
		return err
	}
	fields := fieldsOf[ScoreRow]()
	err = Each(ctx, in, func(r *ScoreRow) error {
		s, err := r.Score()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		if market.SeriesID(r.Series) != id {
			return other(market.SeriesID(r.Series), in)
		}
		if have, ok := stored(); ok {
			if !sameRow(fields, &have, r) {
				return fmt.Errorf("%w: %s has other scores already, from the one of %s on", ErrRefused, id, have.Target)
			}
			out.Known++
			return nil
		}
		if step.Scores = append(step.Scores, s); len(step.Scores) == page {
			return flush()
		}
		return nil
	})
	if err := errors.Join(err, reading); err != nil {
		return err
	}
	return flush()
}
