package ingest

import (
	"errors"
	"slices"
	"sync"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// health is what the world may know of a pipeline while it runs.
type health struct {
	mu      sync.Mutex
	h       feed.Health
	trouble string      // why the store cannot be used, empty when it can
	since   market.Time // of trouble
	last    map[market.SeriesID]market.Time
}

// snapshot returns a copy. Trouble with the store shows as a stalled source.
func (h *health) snapshot() feed.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.h
	out.Series = slices.Clone(h.h.Series)
	if h.trouble != "" {
		out.State, out.Detail, out.Since = feed.Stalled, h.trouble, h.since
	}
	return out
}

func (h *health) update(f func(*feed.Health)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.h)
}

// setTrouble sets why the store cannot be used and reports whether that is a change.
func (h *health) setTrouble(why string, now market.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.trouble == why {
		return false
	}
	if h.trouble == "" {
		h.since = now
	}
	h.trouble = why
	return true
}

// resume is the feed.Resume of the pipeline: the last stored bar of a series.
func (h *health) resume(id market.SeriesID) (market.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, ok := h.last[id]
	return t, ok
}

func (h *health) setLast(id market.SeriesID, start market.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last[id] = start
}

// explain says in words for a person why the store cannot be used.
func explain(err error) string {
	const waits = " Nothing received is lost: the feed waits."
	switch {
	case errors.Is(err, store.ErrFull):
		return "The disk is full, so bars cannot be stored. Free some space." + waits
	case errors.Is(err, store.ErrReadOnly):
		return "The database cannot be written to. Check the data folder's permissions." + waits
	case errors.Is(err, store.ErrLocked):
		return "Another process uses the database. Stop it." + waits
	case errors.Is(err, store.ErrCorrupt):
		return "The database is damaged (" + err.Error() + "). Restore it from a copy." + waits
	}
	return "The database cannot be used: " + err.Error() + "." + waits
}
