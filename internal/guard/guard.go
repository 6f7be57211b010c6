// Package guard looks after what a running Foretick has stored: it verifies the chains of the
// ledger again and again, and measures the space that is left for them. It repairs nothing; it
// says what it finds, in the log and as metrics, for alerts to act on.
//
// The first round reads every chain from its genesis entry. Later rounds read what was added
// since, so that a round costs little; once a day everything is read anew, for a disk may
// change what was good before.
package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/disk"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// Store is what a Guard reads.
type Store interface {
	store.SeriesStore
	store.LedgerReader
}

// Config is what a Guard works with.
type Config struct {
	Store Store
	// Folder is where the database is; empty when it is on no disk of this machine.
	Folder  string
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Every is the time between two rounds, Anew the one after which chains are read from
	// their beginning. 0: a minute, a day.
	Every, Anew time.Duration
}

const (
	defaultEvery = time.Minute
	// first is how long the first round waits for what starts beside it.
	first       = 2 * time.Second
	defaultAnew = 24 * time.Hour
	// page is how many entries are read at once. Between two pages the guard rests as long
	// as the page took, so that a long first round leaves half of a processor to others.
	page = 500
)

// Guard looks after one store.
type Guard struct {
	cfg     Config
	running atomic.Bool
	chains  map[market.SeriesID]*chain
	begun   time.Time // when chains were last read from their beginning

	verified *prometheus.GaugeVec
	broken   *prometheus.GaugeVec
	round    prometheus.Gauge
	free     prometheus.Gauge
}

// chain is a chain as far as it was verified.
type chain struct {
	ledger.Verifier
	bad error // what is wrong; nil: nothing was found
}

// New registers the metrics of a guard. Call Run once.
func New(cfg Config) (*Guard, error) {
	if cfg.Every == 0 {
		cfg.Every = defaultEvery
	}
	if cfg.Anew == 0 {
		cfg.Anew = defaultAnew
	}
	g := &Guard{cfg: cfg, chains: map[market.SeriesID]*chain{},
		verified: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foretick_ledger_verified_height",
			Help: "Number of the newest ledger entry up to which the chain was verified."}, []string{"series"}),
		broken: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foretick_ledger_broken",
			Help: "1 when an entry of the ledger is not what was sealed, else 0."}, []string{"series"}),
		round: prometheus.NewGauge(prometheus.GaugeOpts{Name: "foretick_ledger_verified_timestamp_seconds",
			Help: "When all chains were last verified up to their heads."}),
		free: prometheus.NewGauge(prometheus.GaugeOpts{Name: "foretick_store_free_bytes",
			Help: "Bytes left on the disk of the data folder."}),
	}
	list := []prometheus.Collector{g.verified, g.broken, g.round}
	if cfg.Folder != "" {
		list = append(list, g.free)
	}
	var errs []error
	for _, c := range list {
		errs = append(errs, cfg.Metrics.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return g, nil
}

// Run makes rounds until ctx is done. It returns nil: what it cannot read it reads the next time.
// It fails only when it runs already.
func (g *Guard) Run(ctx context.Context) error {
	if !g.running.CompareAndSwap(false, true) {
		return errors.New("guard: it runs already")
	}
	defer g.running.Store(false)
	if !rest(ctx, first) {
		return nil
	}
	for {
		if err := g.Round(ctx); err != nil && ctx.Err() == nil {
			g.cfg.Log.Warn("the ledger could not be verified now; it is tried again", "in", g.cfg.Every, "err", err)
		}
		if !rest(ctx, g.cfg.Every) {
			return nil
		}
	}
}

// Round verifies what was added to every chain since the round before, and measures the disk. It
// returns an error when it could not look, not when it found something.
func (g *Guard) Round(ctx context.Context) error {
	if g.cfg.Folder != "" {
		if n, err := disk.Free(g.cfg.Folder); err == nil {
			g.free.Set(float64(n))
		} else {
			g.cfg.Log.Warn("the free space of the data folder is not known", "folder", g.cfg.Folder, "err", err)
		}
	}
	now := g.cfg.Now()
	if now.Sub(g.begun) >= g.cfg.Anew {
		clear(g.chains)
		g.begun = now
	}
	all, err := g.cfg.Store.Series(ctx)
	if err != nil {
		return fmt.Errorf("guard: list series: %w", err)
	}
	for _, s := range all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := g.series(ctx, s.ID()); err != nil {
			return fmt.Errorf("guard: ledger of %s: %w", s.ID(), err)
		}
	}
	g.round.Set(float64(g.cfg.Now().UnixMicro()) / 1e6)
	return nil
}

// series verifies what is new of one chain.
func (g *Guard) series(ctx context.Context, id market.SeriesID) error {
	c := g.chains[id]
	if c == nil {
		c = &chain{}
		g.chains[id] = c
	}
	if c.bad != nil {
		return nil // said once; the metric stays
	}
	if err := g.verify(ctx, id, c); err != nil {
		var bad *ledger.BadEntry
		if !errors.As(err, &bad) && !errors.Is(err, store.ErrCorrupt) {
			return err
		}
		c.bad = err
		g.cfg.Log.Error("the ledger is broken: an entry is not what was sealed. Restore the last backup (foretick restore); foretick ledger verify tells more",
			"series", id, "err", err)
		g.broken.WithLabelValues(string(id)).Set(1)
		return nil
	}
	g.broken.WithLabelValues(string(id)).Set(0)
	g.verified.WithLabelValues(string(id)).Set(float64(c.Head().Seq))
	return nil
}

func (g *Guard) verify(ctx context.Context, id market.SeriesID, c *chain) error {
	// The head is read first: what is added meanwhile belongs to the next round.
	head, _, err := g.cfg.Store.Head(ctx, id)
	if err != nil {
		return err
	}
	for c.Head().Seq < head.Seq {
		began := g.cfg.Now()
		next := c.Head().Seq + 1
		list, err := g.cfg.Store.Entries(ctx, id, store.EntryQuery{From: next, To: min(next+page, head.Seq+1), Times: store.Range{Limit: page}})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return &ledger.BadEntry{Seq: next, Reason: fmt.Sprintf("it is missing, and the recorded head is entry %d", head.Seq)}
		}
		for i := range list {
			if err := c.Add(list[i]); err != nil {
				return err
			}
		}
		if !rest(ctx, g.cfg.Now().Sub(began)) {
			return ctx.Err()
		}
	}
	switch {
	case c.Head() != head:
		return &ledger.BadEntry{Seq: head.Seq, Reason: fmt.Sprintf("it has hash %s, the recorded head %s", c.Head().Hash, head.Hash)}
	case head.Seq > 0 && c.Series() != id:
		return &ledger.BadEntry{Seq: 1, Reason: fmt.Sprintf("the chain belongs to series %s", c.Series())}
	}
	return nil
}

// rest waits, and reports whether to go on.
func rest(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
