package ingest

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// told are the splits and dividends of one message. They are kept in the place in which
// they came: after the bars that came before, and before those that they explain. So
// which bars a split was known at does not depend on how messages were batched.
type told struct {
	instrument string
	actions    []market.Action
	bars       int // number of bars of the batch that came before
}

// takeActions adds the actions of m to the batch.
func (p *pipeline) takeActions(m *feed.Message) {
	t := told{instrument: m.Instrument, bars: len(p.recs)}
	for _, a := range m.Actions {
		err := a.Validate()
		if p.byKey[m.Instrument] == nil {
			err = fmt.Errorf("the source did not announce the instrument %q", m.Instrument)
		}
		if err != nil {
			p.reject(feed.Reject{Instrument: m.Instrument, Raw: rawAction(&a), Reason: err.Error()})
			continue
		}
		if a.Source == "" {
			a.Source = p.info.Name
		}
		t.actions = append(t.actions, a)
	}
	if len(t.actions) > 0 {
		p.told = append(p.told, t)
	}
}

// keep stores what a message told.
func (p *pipeline) keep(ctx context.Context, t *told) error {
	at := market.TimeOf(p.cfg.Now())
	return p.retry(ctx, fmt.Sprintf("storing %d splits and dividends of %s", len(t.actions), t.instrument), func(ctx context.Context) error {
		kept, err := p.cfg.Store.PutActions(ctx, t.instrument, at, t.actions...)
		if err != nil || kept == 0 {
			return err
		}
		p.metrics.actions.Add(float64(kept))
		p.log.Info("splits and dividends were told", "instrument", t.instrument, "new", kept, "newest", rawAction(&t.actions[len(t.actions)-1]))
		p.changed = true
		return nil
	})
}

func rawAction(a *market.Action) string {
	if a.Kind == market.Split {
		return fmt.Sprintf("%s,%s,%v", a.Ex, a.Kind, a.Ratio)
	}
	return fmt.Sprintf("%s,%s,%v", a.Ex, a.Kind, a.Amount)
}
