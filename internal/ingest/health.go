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
	calls   int         // of the store, so far
	busy    bool        // the last of them has not returned
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

// began notes that the store is asked for something, and returns the number of the call.
func (h *health) began() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	h.busy = true
	return h.calls
}

// ended notes that a call succeeded and reports whether there was trouble before.
func (h *health) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.trouble != ""
	h.trouble, h.since, h.busy = "", 0, false
	return was
}

// slow sets that a call takes long, if it has not returned since and nothing worse is known. It
// reports whether that is a change.
func (h *health) slow(call int, now market.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.busy || h.calls != call || h.trouble != "" {
		return false
	}
	h.trouble, h.since = storeSlow, now
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

const (
	waits = " Nothing received is lost: the feed waits."
	// storeSlow is what is said of a database that does not answer.
	storeSlow = "Storing is behind: the database has not answered for some seconds." + waits
)

// explain says in words for a person why the store cannot be used.
func explain(err error) string {
	switch {
	case errors.Is(err, store.ErrFull):
		return "Storing is behind: the disk is full. Free some space." + waits
	case errors.Is(err, store.ErrReadOnly):
		return "Storing is behind: the database cannot be written to (" + err.Error() + ")." + waits
	case errors.Is(err, store.ErrLocked):
		return "Storing is behind: another process uses the database. Stop it." + waits
	case errors.Is(err, store.ErrCorrupt):
		return "Storing is behind: the database is damaged (" + err.Error() + "). Restore it from a copy." + waits
	}
	return "Storing is behind: " + err.Error() + "." + waits
}
