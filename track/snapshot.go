package track

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/forecast"
)

// Snapshot returns what the models have learnt, for Restore. It is to be kept with
// the place in the bar log up to which the track has consumed.
func (t *Track) Snapshot() []byte {
	a := forecast.NewArchive()
	t.persist(a)
	return a.Bytes()
}

// snapshotFormat is the first number of a snapshot.
const snapshotFormat = 1

func (t *Track) persist(a *forecast.Archive) {
	format, slots := snapshotFormat, len(t.slots)
	a.Int(&format)
	a.Int(&slots)
	a.Bool(&t.backfilled)
	horizons := append([]int(nil), t.cfg.Horizons...)
	a.Ints(&horizons)
	if format != snapshotFormat || slots != len(t.slots) || fmt.Sprint(horizons) != fmt.Sprint(t.cfg.Horizons) {
		a.Fail("it is of other models or horizons")
		return
	}
	for i := range t.slots {
		s := &t.slots[i]
		name := []byte(s.model.Name())
		a.Blob(&name)
		if string(name) != s.model.Name() {
			a.Fail("it holds %.20q in place of %q", name, s.model.Name())
			return
		}
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
}

// thaw takes the models back to where the snapshot was taken, at the newest of t.bars.
func (t *Track) thaw(ctx context.Context, snapshot []byte) error {
	a := forecast.ReadArchive(snapshot)
	t.persist(a)
	if err := a.Close(); err != nil {
		return fmt.Errorf("track: snapshot of %s: %w", t.id, err)
	}
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
		s.fit(ctx, forecast.NewWindow(t.cfg.Series.Interval, t.bars[max(0, end-t.cfg.Window):end]))
		s.age = age
		if s.ready && s.version != v {
			s.why = "" // revised bars gave other parameters: the version says so
		}
	}
	return ctx.Err()
}
