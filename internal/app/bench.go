package app

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/foretick/foretick/forecast/rangevol"
	"github.com/foretick/foretick/internal/backtest"
	recording "github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/market"
)

// BenchProtocol is the walk of the forecasting benchmark: the last 2,500 bars, the
// first forecast after 500, parameters every 20 bars, horizons 1 and 5; prices as they stand, for the peers were
// judged across splits, too.
var BenchProtocol = backtest.Spec{BurnIn: 500, Refit: 20, Horizons: []int{1, 5}, Last: 2500, Raw: true}

// Folder lists the recorded files of a folder by name.
func Folder(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); !e.IsDir() && (strings.HasSuffix(name, ".csv") || strings.HasSuffix(name, ".csv.gz")) {
			files = append(files, filepath.Join(dir, name))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no .csv or .csv.gz file", dir)
	}
	return files, nil
}

// Digest is the SHA-256 of the contents of files, in their order, with their names.
func Digest(files []string) (string, error) {
	h := sha256.New()
	for _, path := range files {
		fmt.Fprintf(h, "%s\n", filepath.Base(path))
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, f)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", path, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Priors estimates rangevol's prior on recorded files, and for each of them one that
// leaves out the file itself and every other that records the same instrument.
type Priors struct {
	names   []string // base names of the files
	samples []*rangevol.Sample
	returns []map[market.Time]float64
	data    string
	skipped []string
}

// NewPriors collects the regression pairs of files. data names them in the priors.
func NewPriors(ctx context.Context, files []*recording.File, data string, jobs int) (*Priors, error) {
	p := &Priors{data: data}
	samples := make([]*rangevol.Sample, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(jobs, 1))
	for i, f := range files {
		g.Go(func() error {
			bars, _ := recorded(f)
			s, err := rangevol.NewSample(f.Series.Interval, bars)
			if err == nil {
				samples[i] = s
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, f := range files {
		if samples[i] == nil {
			p.skipped = append(p.skipped, filepath.Base(f.Name))
			continue
		}
		bars, _ := recorded(f)
		r := map[market.Time]float64{}
		for k := 1; k < len(bars); k++ {
			if a, b := bars[k].Close, bars[k-1].Close; a > 0 && b > 0 {
				r[bars[k].Start] = math.Log(a / b)
			}
		}
		p.names = append(p.names, filepath.Base(f.Name))
		p.samples = append(p.samples, samples[i])
		p.returns = append(p.returns, r)
	}
	return p, nil
}

// Skipped are the files that were too short or did not move.
func (p *Priors) Skipped() []string { return p.skipped }

// All is the prior of all files.
func (p *Priors) All() (*rangevol.Prior, error) {
	return rangevol.EstimatePrior(p.data, p.samples...)
}

// Without is the prior for judging a file: of all files but those that record the same
// instrument. It returns the names of those left out.
func (p *Priors) Without(name string) (*rangevol.Prior, []string, error) {
	at := slices.Index(p.names, name)
	var samples []*rangevol.Sample
	var out []string
	for i, s := range p.samples {
		if at >= 0 && (i == at || sameInstrument(p.returns[at], p.returns[i])) {
			out = append(out, p.names[i])
			continue
		}
		samples = append(samples, s)
	}
	prior, err := rangevol.EstimatePrior(p.data+" without "+strings.Join(out, ", "), samples...)
	return prior, out, err
}

// sameInstrument reports whether two series of returns are of one instrument, under
// different names or adjusted differently: on most common days they differ by less
// than a fifth of a standard deviation.
func sameInstrument(a, b map[market.Time]float64) bool {
	var n, near int
	var square float64
	for t, x := range a {
		if _, ok := b[t]; ok {
			n++
			square += x * x
		}
	}
	if n < 100 {
		return false
	}
	limit := 0.2 * math.Sqrt(square/float64(n))
	for t, x := range a {
		if y, ok := b[t]; ok && math.Abs(x-y) < limit {
			near++
		}
	}
	return 2*near > n
}

// Peer is a row of a file of peers' scores.
type Peer struct {
	Series  string // base name of the file, without .csv
	Horizon int
	Method  string
	CRPS    float64
}

// ReadPeers reads a table of scores with at least the columns series, h, method and
// crps.
func ReadPeers(path string) ([]Peer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	column := map[string]int{}
	for i, h := range head {
		column[h] = i
	}
	for _, c := range []string{"series", "h", "method", "crps"} {
		if _, ok := column[c]; !ok {
			return nil, fmt.Errorf("%s has no column %s", path, c)
		}
	}
	var peers []Peer
	for line := 2; ; line++ {
		row, err := r.Read()
		if err == io.EOF {
			return peers, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		h, err := strconv.Atoi(row[column["h"]])
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: horizon %q is not a number", path, line, row[column["h"]])
		}
		v, err := strconv.ParseFloat(row[column["crps"]], 64)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: crps %q is not a number", path, line, row[column["crps"]])
		}
		peers = append(peers, Peer{row[column["series"]], h, row[column["method"]], v})
	}
}

// Against compares a report with a peer.
type Against struct {
	Model   string
	Horizon int
	Series  int     // that both have
	Ratio   float64 // geometric mean over series of CRPS / the peer's
	Better  int     // series with a lower CRPS than the peer's
	Worst   float64 // highest ratio
	WorstOf string  // and its series
}

// Compare returns the figures of every model of r against the peer method.
func Compare(r *backtest.Report, peers []Peer, method string) []Against {
	type key struct {
		series string
		h      int
	}
	theirs := map[key]float64{}
	for _, p := range peers {
		if p.Method == method {
			theirs[key{p.Series, p.Horizon}] = p.CRPS
		}
	}
	var list []Against
	place := map[string]int{}
	for i := range r.Results {
		x := &r.Results[i]
		base, _, _ := strings.Cut(x.File, ".csv")
		c, ok := theirs[key{base, x.Horizon}]
		if !ok || x.N == 0 || x.Abstained > 0 {
			continue // or it would be compared over fewer bars
		}
		id := fmt.Sprint(x.Horizon, x.Model)
		k, seen := place[id]
		if !seen {
			k = len(list)
			place[id] = k
			list = append(list, Against{Model: x.Model, Horizon: x.Horizon})
		}
		a := &list[k]
		ratio := float64(x.CRPS) / c
		a.Series++
		a.Ratio += math.Log(ratio)
		if ratio < 1 {
			a.Better++
		}
		if ratio > a.Worst {
			a.Worst, a.WorstOf = ratio, base
		}
	}
	for i := range list {
		list[i].Ratio = math.Exp(list[i].Ratio / float64(list[i].Series))
	}
	slices.SortStableFunc(list, func(a, b Against) int { return a.Horizon - b.Horizon })
	return list
}
