package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/foretick/foretick/internal/app"
)

type predictCmd struct {
	Prices string `required:"" placeholder:"P1,P2,..." help:"At least three prices, oldest first, separated by commas; the original service takes seven."`
	JSON   bool   `help:"Print {\"result\": ...} as the HTTP service does."`
}

func (c *predictCmd) Run(t *terminal) error {
	prices, err := parsePrices(c.Prices)
	if err != nil {
		return err
	}
	next, err := app.PredictNext(t.ctx, prices)
	if errors.Is(err, app.ErrPrices) {
		return usage("--prices: %w", err)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(t.stdout).Encode(map[string]float64{"result": math.Round(next*1e5) / 1e5})
	}
	last := prices[len(prices)-1]
	way := "unchanged from"
	switch {
	case next > last:
		way = "above"
	case next < last:
		way = "below"
	}
	_, err = fmt.Fprintf(t.stdout, "%.5f (%s the last price %v)\n", next, way, last)
	return err
}

func parsePrices(s string) ([]float64, error) {
	var out []float64
	for i, f := range strings.Split(s, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(f), 64)
		if err != nil {
			return nil, usage("--prices: price %d, %q, is not a number", i+1, f)
		}
		out = append(out, v)
	}
	return out, nil
}
