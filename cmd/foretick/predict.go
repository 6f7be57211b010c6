package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/foretick/foretick/internal/app"
)

type predictCmd struct {
	Prices string `required:"" placeholder:"P1,P2,..." help:"Prices, oldest first, separated by commas: at least three, or as many as the model takes."`
	Model  string `default:"" help:"Model that answers: ewma, or an imported price model. Default: ewma; with --host, what that service uses."`
	Host   string `placeholder:"URL" help:"Ask the service that runs there: a Foretick, or the original's. FORETICK_API_KEY is its key, if it wants one."`
	Key    string `env:"FORETICK_API_KEY" hidden:""`
	app.Place
	JSON  bool   `help:"Print {\"result\": ...} as the HTTP service does."`
	Color string `default:"auto" enum:"auto,always,never" help:"Green for a rise, red for a fall: auto (on a terminal, unless NO_COLOR is set), always or never."`
}

func (c *predictCmd) Run(t *terminal) error {
	prices, err := parsePrices(c.Prices)
	if err != nil {
		return err
	}
	next, err := c.next(t, prices)
	switch {
	case errors.Is(err, app.ErrPrices):
		return usage("--prices: %w", err)
	case errors.Is(err, app.ErrSetting):
		return usage("--model: %w", err)
	case err != nil:
		return err
	}
	if c.JSON {
		return json.NewEncoder(t.stdout).Encode(map[string]float64{"result": math.Round(next*1e5) / 1e5})
	}
	_, err = fmt.Fprintln(t.stdout, c.line(next, prices[len(prices)-1], c.colored(t)))
	return err
}

// next is the price that follows, said here or by the service.
func (c *predictCmd) next(t *terminal, prices []float64) (float64, error) {
	if c.Host == "" {
		model := c.Model
		if model == "" {
			model = app.UsualPredictor
		}
		return app.Predict(t.ctx, c.Place, model, prices)
	}
	body, err := json.Marshal(struct {
		Prices []float64 `json:"prices"`
		Model  string    `json:"model,omitempty"`
	}{prices, c.Model})
	if err != nil { // NaN and infinities have no spelling in JSON
		return 0, usage("--prices: prices are finite numbers")
	}
	b, err := remote{c.Host, c.Key}.post(t.ctx, "/predict_next_price", "application/json", body)
	if err != nil {
		return 0, err
	}
	var out struct{ Result *float64 }
	if json.Unmarshal(b, &out) != nil || out.Result == nil {
		return 0, fmt.Errorf("%s answered without a result; does a service of this contract run there?", c.Host)
	}
	return *out.Result, nil
}

// line compares the forecast with the last price, the one that is known when it is made.
func (c *predictCmd) line(next, last float64, colored bool) string {
	text := strconv.FormatFloat(next, 'f', 5, 64)
	if math.Abs(next) < 0.01 {
		text = strconv.FormatFloat(next, 'g', 6, 64)
	}
	way, color, arrow := "unchanged from", "", "="
	switch {
	case next > last:
		way, color, arrow = "above", "\x1b[32m", "▲"
	case next < last:
		way, color, arrow = "below", "\x1b[31m", "▼"
	}
	if next != last {
		way = fmt.Sprintf("%.2f %% %s", 100*math.Abs(next/last-1), way)
	}
	if colored && color != "" {
		text = color + text + " " + arrow + "\x1b[0m"
	} else {
		text += " " + arrow
	}
	return fmt.Sprintf("%s  %s the last price %v", text, way, last)
}

func (c *predictCmd) colored(t *terminal) bool {
	if c.Color != "auto" {
		return c.Color == "always"
	}
	f, ok := t.stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
}

// maxPrices bounds what is forecast from at once.
const maxPrices = 100_000

func parsePrices(s string) ([]float64, error) {
	fields := strings.Split(s, ",")
	if len(fields) > maxPrices {
		return nil, usage("--prices: %d prices are too many, at most %d", len(fields), maxPrices)
	}
	out := make([]float64, len(fields))
	for i, f := range fields {
		v, err := strconv.ParseFloat(strings.TrimSpace(f), 64)
		if err != nil {
			return nil, usage("--prices: price %d, %.40q, is not a number", i+1, f)
		}
		out[i] = v
	}
	return out, nil
}
