package rangevol

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"sync"
)

//go:embed prior.json
var priorJSON []byte

// Prior is where the coefficients of the regressions begin.
type Prior struct {
	// Data names what it was estimated on: a digest of the files, or words.
	Data string `json:"data"`
	// Horizons are the anchor horizons with their coefficients, ascending.
	Horizons []HorizonPrior `json:"horizons"`
}

// HorizonPrior is the prior of one anchor horizon.
type HorizonPrior struct {
	Horizon      int                  `json:"horizon"`
	Coefficients [numFeatures]float64 `json:"coefficients"`
}

// ParsePrior reads a prior from JSON.
func ParsePrior(b []byte) (*Prior, error) {
	p := new(Prior)
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("rangevol: prior: %w", err)
	}
	if len(p.Horizons) == 0 {
		return nil, fmt.Errorf("rangevol: prior: it names no horizon")
	}
	for i, h := range p.Horizons {
		if h.Horizon < 1 || i > 0 && h.Horizon <= p.Horizons[i-1].Horizon {
			return nil, fmt.Errorf("rangevol: prior: horizons must ascend from at least 1")
		}
		for _, c := range h.Coefficients {
			if math.IsNaN(c) || math.IsInf(c, 0) {
				return nil, fmt.Errorf("rangevol: prior: horizon %d has a coefficient that is no number", h.Horizon)
			}
		}
	}
	return p, nil
}

// DefaultPrior is the prior of prior.json, estimated by `foretick bench prior`. It must
// not be changed.
var DefaultPrior = sync.OnceValue(func() *Prior {
	p, err := ParsePrior(priorJSON)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return p
})

// at is the prior of an anchor horizon: its own, or interpolated in ln h between its
// neighbours.
func (p *Prior) at(horizon int) *[numFeatures]float64 {
	h := p.Horizons
	i := 0
	for i < len(h) && h[i].Horizon < horizon {
		i++
	}
	switch {
	case i == len(h):
		return p.longer(&h[len(h)-1], horizon)
	case h[i].Horizon == horizon || i == 0:
		return p.longer(&h[i], horizon)
	}
	a, b := &h[i-1], &h[i]
	f := math.Log(float64(horizon)/float64(a.Horizon)) / math.Log(float64(b.Horizon)/float64(a.Horizon))
	var c [numFeatures]float64
	for k := range c {
		c[k] = (1-f)*a.Coefficients[k] + f*b.Coefficients[k]
	}
	return &c
}

// longer shifts the constant of a prior to another horizon: the variance grows with
// the number of bars.
func (p *Prior) longer(from *HorizonPrior, horizon int) *[numFeatures]float64 {
	c := from.Coefficients
	c[0] += math.Log(float64(horizon) / float64(from.Horizon))
	return &c
}
