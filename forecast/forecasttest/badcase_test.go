package forecasttest

import (
	"context"
	"errors"
	"fmt"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// brokenCases are models that are badly made around their answers: the change makes a sound
// case theirs.
var brokenCases = map[string]struct {
	change func(c *Case)
	says   string
}{
	"nobody wrote about":            {func(c *Case) { c.Docs = "" }, `says 0 words under a heading "plain"`},
	"is described elsewhere":        {func(c *Case) { c.Docs = "docs/nowhere.md#plain" }, "no such file"},
	"needs more bars than it says":  {func(c *Case) { c.Least-- }, "got plain: forecast: too few bars"},
	"needs fewer bars than it says": {func(c *Case) { c.Least++ }, "got <nil>, want forecast: too few bars"},
	"takes a window it should not": {func(c *Case) {
		c.Refuses = []Refusal{{"a week", window(Walk(1, 30)), forecast.ErrDegenerate}}
	}, "got <nil>, want forecast: degenerate data"},
	"takes any options":        {func(c *Case) { c.OutOfRange["none"] = plain{} }, "it was accepted"},
	"does not say who refuses": {func(c *Case) { c.Model = anonymous{} }, "does not say who refused"},
	"takes prices below zero":  {func(c *Case) { c.Model = shortSighted{} }, "got <nil>, want forecast: degenerate data"},
	"answers for any horizon":  {func(c *Case) { c.Model = generous{} }, "it was accepted"},
	"never stops":              {func(c *Case) { c.Model = unstoppable{} }, "a cancelled fit is carried out"},
	"stops for its own reason": {func(c *Case) { c.Model = evasive{} }, "cancelled at look 1"},
	"has no versions":          {func(c *Case) { c.Model = nameless{} }, "has no Encode"},
	"has another format":       {func(c *Case) { c.Version = "plain/2 " }, `the version begins "plain/1 ", want "plain/2 "`},
	"names versions by chance": {func(c *Case) { c.Model = &serial{} }, "the same fit has another version"},
	"forgets what it learnt":   {func(c *Case) { c.Model = forgetsParameters{} }, "two fits with the same version say"},
	"forgets an option":        {func(c *Case) { c.Others["the same"] = plain{most: 250} }, "has the version of"},
}

// Each of these is plain but for one thing, which its Fit or the fit's methods do.

type anonymous struct{ plain }

func (m anonymous) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	f, err := m.plain.Fit(ctx, w)
	if errors.Is(err, forecast.ErrTooShort) {
		err = forecast.ErrTooShort
	}
	return f, err
}

// shortSighted looks at no more than the last few closes.
type shortSighted struct{ plain }

func (m shortSighted) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	f, err := m.plain.Fit(ctx, w)
	if errors.Is(err, forecast.ErrDegenerate) && w.Last() > 0 && w.Close(0) != w.Last() {
		return m.plain, nil
	}
	return f, err
}

type generous struct{ plain }

func (m generous) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	_, err := m.plain.Fit(ctx, w)
	return m, err
}

func (m generous) Predict(w forecast.Window, h int) (forecast.Prediction, error) {
	return m.plain.Predict(w, max(h, 1))
}

type unstoppable struct{ plain }

func (m unstoppable) Fit(_ context.Context, w forecast.Window) (forecast.Fitted, error) {
	return m.plain.Fit(context.Background(), w)
}

type evasive struct{ plain }

func (m evasive) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	f, err := m.plain.Fit(ctx, w)
	if errors.Is(err, context.Canceled) {
		err = fmt.Errorf("plain: %w: no time", forecast.ErrTooShort)
	}
	return f, err
}

type nameless struct{ plain }

func (m nameless) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	_, err := m.plain.Fit(ctx, w)
	return struct{ predictor }{m.plain}, err
}

type predictor interface {
	Predict(w forecast.Window, horizon int) (forecast.Prediction, error)
}

type serial struct {
	plain
	fits int
}

func (m *serial) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	_, err := m.plain.Fit(ctx, w)
	m.fits++
	return numbered{m.plain, m.fits}, err
}

type numbered struct {
	plain
	number int
}

func (f numbered) Encode() ([]byte, error) {
	return fmt.Appendf(nil, "plain/1 number %d", f.number), nil
}

type forgetsParameters struct{ plain }

func (m forgetsParameters) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	f, err := m.plain.Fit(ctx, w)
	if err != nil {
		return f, err
	}
	return tied{m.plain, w.Bar(0).Start}, nil
}

// tied answers by when the window that it was fitted on began, and tells nobody.
type tied struct {
	plain
	to market.Time
}

func (f tied) Predict(w forecast.Window, h int) (forecast.Prediction, error) {
	p, err := f.plain.Predict(w, h)
	p.Point = 1e-18 * float64(f.to)
	return p, err
}
