package track

import (
	"fmt"
	"strings"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// issue lets every model forecast from the newest bar and seals the answers.
func (t *Track) issue(r *Result, now market.Time) error {
	last := t.bars[len(t.bars)-1]
	is := issue{basis: score.Basis{Cutoff: last.End, Last: last.Close, Scale: t.scale()}}
	is.basis.Volatility, is.basis.Regime = t.regime()
	body := &ledger.IssueBody{Cutoff: last.End, Inputs: t.inputs, Last: last.Close, Scale: is.basis.Scale, Volatility: is.basis.Volatility, Regime: is.basis.Regime}

	w := t.window().WithAhead(t.ahead)
	is.forecasts = make([]forecast.Forecast, 0, len(t.slots)*len(t.cfg.Horizons))
	for i := range t.slots {
		s := &t.slots[i]
		abstain := func(h int, reason string) {
			body.Abstentions = append(body.Abstentions, forecast.Abstention{Model: s.model.Name(), Version: s.version, Horizon: h, Reason: clip(reason)})
		}
		if !s.ready {
			abstain(0, s.why)
			continue
		}
		for _, h := range t.cfg.Horizons {
			target := t.ahead[h-1]
			if i > 0 && !t.naiveForecast(is.forecasts, h) {
				abstain(h, "naive abstains here, and no forecast is made that could not be compared with it")
				continue
			}
			if t.cfg.Mode == ledger.Live && t.at >= target.End {
				abstain(h, fmt.Sprintf("missed: the target had ended when it could be forecast, %s", t.at))
				continue
			}
			f, err := t.predict(s, w, h, target, last.Close)
			if err != nil {
				abstain(h, err.Error())
				continue
			}
			f.Late = t.cfg.Mode == ledger.Live && t.at > target.Start.Add(t.cfg.LateAfter)
			is.forecasts = append(is.forecasts, f)
		}
	}
	body.Forecasts = is.forecasts
	r.Forecasts, r.Abstentions = body.Forecasts, body.Abstentions
	if err := t.append(r, ledger.Entry{Issue: body}); err != nil {
		return err
	}
	t.keep(is)
	return nil
}

// naiveForecast reports whether naive, which comes first, has forecast horizon h.
func (t *Track) naiveForecast(done []forecast.Forecast, h int) bool {
	for i := range done {
		if done[i].Model != score.Naive {
			return false
		}
		if done[i].Horizon == h {
			return true
		}
	}
	return false
}

// keep remembers what was issued until it is settled.
func (t *Track) keep(is issue) {
	is.state = make([]state, len(is.forecasts))
	is.open = len(is.forecasts)
	for i := range is.forecasts {
		start := is.forecasts[i].Target.Start
		if i == 0 || start < is.from {
			is.from = start
		}
		is.to = max(is.to, start)
	}
	t.issues = append(t.issues, is)
}

// predict asks one model for one horizon and turns the answer into prices.
func (t *Track) predict(s *slot, w forecast.Window, h int, target market.Span, last float64) (f forecast.Forecast, err error) {
	if last <= 0 {
		return f, fmt.Errorf("%w: the last price %v is not positive, so log returns do not exist", forecast.ErrDegenerate, last)
	}
	p, shares, err := s.predict(w, h)
	if err != nil {
		return f, err
	}
	f = forecast.Forecast{Model: s.model.Name(), Version: s.version, Horizon: h, Target: target, Shares: shares}
	f.Point, f.Quantiles = p.Price(last)
	if f.Point-f.Point != 0 {
		return f, fmt.Errorf("the point %v is not a finite price", f.Point)
	}
	return f, f.Quantiles.Validate()
}

// clip bounds a reason to what the ledger takes.
func clip(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..." // the cut may go through a letter
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
