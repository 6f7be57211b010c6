package neural

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/foretick/foretick/market"
)

// Versions are the versions of a Model, in the order in which they may be used. They may
// be added while the model is in use. It is safe for concurrent use; the zero value is
// empty.
type Versions struct{ list atomic.Pointer[[]*Trained] }

// Add takes a version; one that is there already is not taken twice.
func (v *Versions) Add(t *Trained) {
	for {
		old := v.list.Load()
		var list []*Trained
		if old != nil {
			list = slices.Clone(*old)
		}
		if slices.ContainsFunc(list, func(o *Trained) bool { return o.id == t.id }) {
			return
		}
		list = append(list, t)
		slices.SortStableFunc(list, func(a, b *Trained) int { return cmp.Compare(a.about.Since, b.about.Since) })
		if v.list.CompareAndSwap(old, &list) {
			return
		}
	}
}

// All lists the versions, oldest Since first.
func (v *Versions) All() []*Trained {
	if list := v.list.Load(); list != nil {
		return *list
	}
	return nil
}

// at is the newest version for bars of an interval that may be used at a cutoff, nil when
// there is none.
func (v *Versions) at(interval string, cutoff market.Time) (best *Trained) {
	for _, t := range v.All() {
		if t.about.Interval == interval && t.about.Since <= cutoff {
			best = t
		}
	}
	return best
}

// by finds a version by its ID.
func (v *Versions) by(id string) *Trained {
	for _, t := range v.All() {
		if t.id == id {
			return t
		}
	}
	return nil
}

// missing says why there is no version.
func (v *Versions) missing(interval string, cutoff market.Time) string {
	all := v.All()
	if len(all) == 0 {
		return "no version has been trained"
	}
	var first *Trained
	for _, t := range all {
		if t.about.Interval == interval && first == nil {
			first = t
		}
	}
	if first == nil {
		return fmt.Sprintf("it was trained on bars of %s, these are of %s", all[0].about.Interval, interval)
	}
	return fmt.Sprintf("the network has learnt from bars up to %s and may forecast from %s on, not at the cutoff %s",
		first.about.Until, first.about.Since, cutoff)
}
