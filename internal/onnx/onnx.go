// Package onnx lets a network that a user brings, a file of the Open Neural Network
// Exchange (.onnx), run as a forecaster beside Foretick's own models. PyTorch, TensorFlow,
// scikit-learn, LightGBM and many others write such files.
//
// The network is asked once a bar for one series. What it must look like:
//
//   - One input of float32, shape [1, L] or [1, L, C]; the 1, the batch, may be dynamic,
//     L and C may not. L is the number of bars that it reads, 1 to 1,000, oldest first, the
//     newest last. With [1, L] or C = 1 each bar is its log return times 100,
//
//     x = 100 ln(close / close of the bar before).
//
//     With C = 5 each bar is, in this order,
//
//     100 ln(open / p), 100 ln(high / p), 100 ln(low / p), 100 ln(close / p), ln(volume) - m
//
//     with p the close of the bar before and m the mean of ln(volume) over those of the L
//     bars that have a volume; the last is 0 for a bar that has none. The numbers are
//     computed in float64 and rounded once. Nothing else is scaled: a network that wants
//     standardised inputs holds the scaler itself.
//
//   - One output of float32, a log return times 100 from the newest close:
//
//     [1, 1] the point, one bar ahead;
//     [1, 23] the quantiles at forecast.Probabilities, one bar ahead;
//     [1, H, 1] the points 1 to H bars ahead, H from 1 to 1,000;
//     [1, H, 23] the quantiles 1 to H bars ahead.
//
// The return over h bars runs from the newest close to the close h bars later: it is not
// the return of the h-th bar alone. Further ahead than H the model abstains.
//
// Quantiles. The point of a network that gives quantiles is its median. Quantiles that cross
// are sorted (Chernozhukov, Fernandez-Val & Galichon 2010, "Quantile and probability curves
// without crossing": that never makes them worse) and Model.Sorted counts such answers. A
// network that gives points says nothing of their spread: its quantiles are the point plus the
// type-7 quantiles of its newest 250 errors at that horizon, which is historical simulation of
// this very network. Until 30 of its forecasts have an outcome it abstains. Such an interval
// is as wide as the network was wrong on average, whatever the market does now.
//
// The name is the file's entry "foretick.name" in metadata_props, else the file's base name in
// lower case with hyphens for underscores. The version is named after the SHA-256 of the
// file and the version of the runtime: another runtime may give other digits.
//
// The network abstains with a data error on fewer than L+1 bars, on prices that are not
// positive or have not moved in the whole window, and when its answer is not finite or beyond
// 700 (a factor e^7). The same window gives the same answer to the last bit on one machine:
// each run uses one thread, files with random operators are refused, and so is one that
// answers differently when asked twice. Weights beside the file (external data) are refused,
// because the name of the version would not cover them.
//
// It is good for trying a network trained elsewhere under the rules of the house: sealed
// forecasts, naive beside it. It is bad as a sandbox. The file is run inside the process by
// ONNX Runtime, and nothing bounds the time or memory that its operators ask for: run only
// files that you would run as a program.
//
// Open needs the build tag onnx, cgo and the shared library of ONNX Runtime 1.24 or newer.
// Everything else here is plain Go.
package onnx

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/residual"
)

// ErrFile says that a file is no network that Foretick can ask, and why.
var ErrFile = errors.New("onnx: the file cannot be used")

// Shape is what a network reads and answers.
type Shape struct {
	Bars      int  // read, 1 to 1,000
	Inputs    int  // a bar: 1 or 5
	Channels  bool // the input is [1, Bars, Inputs], not [1, Bars]
	Horizons  int  // answered, from 1 bar ahead on
	Quantiles bool // it gives all quantiles, not only the point
}

// String says it in words.
func (s Shape) String() string {
	what := "the point"
	if s.Quantiles {
		what = fmt.Sprintf("%d quantiles", forecast.Levels)
	}
	ahead := "1 bar ahead"
	if s.Horizons > 1 {
		ahead = fmt.Sprintf("1 to %d bars ahead", s.Horizons)
	}
	return fmt.Sprintf("reads %d bars of %d inputs and gives %s %s", s.Bars, s.Inputs, what, ahead)
}

// width is the number of outputs a horizon.
func (s Shape) width() int {
	if s.Quantiles {
		return forecast.Levels
	}
	return 1
}

// network runs a network. It may be used from several goroutines at once.
type network interface {
	// run fills out, Horizons x width numbers, from in, Bars x Inputs numbers.
	run(out, in []float32) error
	// close frees the network; run fails from then on.
	close() error
}

// Model is a forecaster that asks a network. Create it with Open, and Close it when
// nothing forecasts with it any more.
type Model struct {
	name, sum, runtime string
	shape              Shape
	net                network
	sorted             atomic.Int64
}

// Name is the model's name.
func (m *Model) Name() string { return m.name }

// Shape is what the network reads and answers.
func (m *Model) Shape() Shape { return m.shape }

// Sum is the SHA-256 of the file in hexadecimal digits.
func (m *Model) Sum() string { return m.sum }

// Sorted counts the answers so far in which quantiles crossed and were sorted.
func (m *Model) Sorted() int64 { return m.sorted.Load() }

// Close frees the network. Forecasts asked for later are errors.
func (m *Model) Close() error { return m.net.close() }

// Fit takes a state through w: there is nothing to estimate. The error wraps
// forecast.ErrTooShort when w holds fewer bars than the network reads.
func (m *Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, m, w)
}

// Follow returns the state of a series. It panics unless the horizons ascend from at least 1.
func (m *Model) Follow(s forecast.Setting) forecast.State {
	if len(s.Horizons) == 0 || s.Horizons[0] < 1 || !slices.IsSorted(s.Horizons) {
		panic(fmt.Sprintf("onnx: horizons %v must ascend from at least 1", s.Horizons))
	}
	st := &state{m: m, set: s,
		in:  make([]float32, m.shape.Bars*m.shape.Inputs),
		out: make([]float32, m.shape.Horizons*m.shape.width())}
	if !m.shape.Quantiles {
		for _, h := range s.Horizons {
			if h <= m.shape.Horizons {
				st.points = append(st.points, forecast.NewRecent(h))
				st.errors = append(st.errors, residual.NewPool(mostErrors))
			}
		}
	}
	return st
}

var names = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// nameOf is the name of the network in file path: given, what the file calls itself, unless
// that is empty. The error wraps ErrFile.
func nameOf(path, given string) (string, error) {
	name, whose := given, `its metadata "foretick.name"`
	if given == "" {
		base := filepath.Base(path)
		name = strings.ReplaceAll(strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base))), "_", "-")
		whose = "the name of the file"
	}
	if len(name) > 32 || !names.MatchString(name) {
		return "", fmt.Errorf("%w: %s gives the model the name %.40q: it takes lower-case letters, digits and single hyphens, a letter first, at most 32; rename the file or set the metadata \"foretick.name\"", ErrFile, whose, name)
	}
	if name == "default" || name == "all" {
		return "", fmt.Errorf("%w: %s gives the model the name %q, which stands for several models; rename the file or set the metadata \"foretick.name\"", ErrFile, whose, name)
	}
	return name, nil
}
