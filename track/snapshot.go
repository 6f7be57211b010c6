package track

import (
	"context"
	"fmt"
	"slices"

	"github.com/foretick/foretick/forecast"
)

// Snapshot returns what the models have learnt, for Restore. It is to be kept with
// the place in the bar log up to which the track has consumed.
func (t *Track) Snapshot() []byte {
	a := forecast.NewArchive()
	n := len(t.slots)
	t.header(a, &n)
	for i := range t.slots {
		s := &t.slots[i]
		name, body := []byte(s.model.Name()), forecast.NewArchive()
		s.persist(body)
		b := body.Bytes()
		a.Blob(&name)
		a.Blob(&b)
	}
	return a.Bytes()
}

// snapshotFormat is the first number of a snapshot.
const snapshotFormat = 1

// header carries what a snapshot says of the track as a whole.
func (t *Track) header(a *forecast.Archive, slots *int) {
	format := snapshotFormat
	a.Int(&format)
	a.Int(slots)
	a.Bool(&t.backfilled)
	forecast.PersistBreaks(a, &t.breaks)
	horizons := slices.Clone(t.cfg.Horizons)
	a.Ints(&horizons)
	if format != snapshotFormat || !slices.Equal(horizons, t.cfg.Horizons) {
		a.Fail("it is of other horizons or of another program")
	}
}

// persist carries a slot.
func (s *slot) persist(a *forecast.Archive) {
	a.Bool(&s.ready)
	a.Int(&s.age)
	v, w := []byte(s.version), []byte(s.why)
	a.Blob(&v)
	a.Blob(&w)
	s.version, s.why = string(v), string(w)
	if s.state != nil {
		s.state.Persist(a)
	}
}

// thaw takes the models back to where the snapshot was taken, at the newest of t.bars. A
// model that the snapshot does not know, or knows otherwise, begins with what the bars
// teach it.
func (t *Track) thaw(ctx context.Context, snapshot []byte) error {
	a := forecast.ReadArchive(snapshot)
	var n int
	t.header(a, &n)
	if n < 0 || n > maxSlots {
		a.Fail("%d models", n)
	}
	kept := map[string][]byte{}
	for range min(n, maxSlots) {
		var name, body []byte
		a.Blob(&name)
		a.Blob(&body)
		kept[string(name)] = body
	}
	if err := a.Close(); err != nil {
		return fmt.Errorf("track: snapshot of %s: %w", t.id, err)
	}
	t.gauge(0)
	var anew []*slot
	for i := range t.slots {
		s := &t.slots[i]
		a := forecast.ReadArchive(kept[s.model.Name()])
		if s.persist(a); a.Close() != nil {
			*s = newSlot(s.model, t.set)
			anew = append(anew, s)
		}
	}
	t.teach(anew)
	// Models that look at the window only are fitted again on the window of then.
	for i := range t.slots {
		s := &t.slots[i]
		if s.state != nil || !s.ready {
			continue
		}
		age, v := s.age, s.version
		end := max(0, len(t.bars)-age)
		if end < 2 {
			end = len(t.bars)
		}
		s.ready = false
		s.fit(ctx, forecast.NewWindow(t.cfg.Series.Interval, forecast.Splice(nil, t.bars[max(0, end-t.cfg.Window):end], t.breaks)))
		s.age = age
		if s.ready && s.version != v {
			s.why = "" // revised bars gave other parameters: the version says so
		}
	}
	return ctx.Err()
}

// maxSlots bounds the models of a snapshot that is read.
const maxSlots = 1000

// teach takes states that know nothing through the bars of the window. They are fitted
// before the next step.
func (t *Track) teach(slots []*slot) {
	if len(slots) == 0 {
		return
	}
	t.backfilled = true
	bars := forecast.Splice(nil, t.bars, t.breaks)
	for i := range bars {
		t.ahead = t.targets(t.ahead[:0], bars[i].Start)
		w := forecast.NewWindow(t.cfg.Series.Interval, bars[max(0, i+1-t.cfg.Window):i+1]).WithAhead(t.ahead)
		for _, s := range slots {
			s.update(w, t.set)
		}
	}
}
