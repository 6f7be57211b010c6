package forecast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/foretick/foretick/market"
)

// Follower is a Forecaster that follows a series bar by bar: its forecasts rest on
// state, not on the window alone, and its parameters are estimated from what the
// state has kept. The engine keeps one State a series and never calls Fit.
type Follower interface {
	Forecaster
	// Follow returns the state of a series of which no bar has been seen.
	Follow(s Setting) State
}

// Setting is what a State has to know of its series.
type Setting struct {
	Interval market.Interval
	Horizons []int // that will be asked for, ascending, each at least 1
}

// State follows one series. It is not safe for concurrent use. The same calls in the
// same order leave the same state and give the same answers, to the last bit.
type State interface {
	// Update takes the newest bar of w, which follows the newest bar of the call
	// before. A bar that cannot be learnt from (a close that is not positive) is
	// passed over. Prices that the state has kept are first multiplied by w.Break():
	// at the first bar after a break it is not 1.
	Update(w Window)
	// Refit estimates the parameters from the bars seen so far. When it fails the
	// parameters stay as they were. The errors are those of Forecaster.Fit.
	Refit(ctx context.Context) error
	// Predict forecasts the close horizon bars after the newest bar of w, which is
	// the last one that Update took. horizon is one of Setting.Horizons. The errors
	// are those of Fitted.Predict; ErrTooShort before the first Refit.
	Predict(w Window, horizon int) (Prediction, error)
	// Encode returns what names the version of the model: everything that Refit has
	// estimated, and the options.
	Encode() ([]byte, error)
	// Adopt takes over the parameters of from, a state of the same model and
	// setting, and leaves what has been seen as it is. It only reads from.
	Adopt(from State)
	// Persist writes the whole state to a, or reads it from a, which was written by a
	// state of the same model and setting.
	Persist(a *Archive)
}

// FitFollower is Forecaster.Fit for a Follower: it takes a new state through w,
// estimates its parameters there, and returns a Fitted whose Predict takes a state
// with these parameters through the window that it is given, for horizons up to 20.
// That is for studies and tests; the engine keeps the state instead.
func FitFollower(ctx context.Context, f Follower, w Window) (Fitted, error) {
	if w.Len() < 2 {
		return nil, fmt.Errorf("%s: %w: %d bars", f.Name(), ErrTooShort, w.Len())
	}
	s := Setting{Interval: w.Interval()}
	for h := 1; h <= 20; h++ {
		s.Horizons = append(s.Horizons, h)
	}
	state := f.Follow(s)
	if err := walk(ctx, state, w); err != nil {
		return nil, err
	}
	if err := state.Refit(ctx); err != nil {
		return nil, err
	}
	return &followed{model: f, setting: s, state: state}, nil
}

// walk takes state through all bars of w.
func walk(ctx context.Context, state State, w Window) error {
	for i := range w.Len() {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		state.Update(w.to(i + 1))
	}
	return nil
}

type followed struct {
	model   Follower
	setting Setting
	state   State // only read

	mu   sync.Mutex
	bars []market.Bar // of the window that was asked about last
	last State        // and the state at its end
}

func (f *followed) Predict(w Window, horizon int) (p Prediction, err error) {
	if w.Len() == 0 {
		return p, fmt.Errorf("%s: %w: no bars", f.model.Name(), ErrTooShort)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil || !slices.Equal(f.bars, w.bars) {
		f.last = f.model.Follow(f.setting)
		f.last.Adopt(f.state)
		f.bars = append(f.bars[:0], w.bars...)
		if err := walk(context.Background(), f.last, w); err != nil {
			f.last = nil
			return p, err
		}
	}
	return f.last.Predict(w, horizon)
}

func (f *followed) Encode() ([]byte, error) { return f.state.Encode() }

// ErrArchive says that bytes are not what a State wrote.
var ErrArchive = errors.New("forecast: not an archive of this state")

// Combined is a State whose forecasts are made of those of experts.
type Combined interface {
	State
	// Shares are the parts that the experts have in the forecast of a horizon of the
	// setting that is made now. The caller must not change them.
	Shares(horizon int) []Share
}

// Many is a State that can answer in several ways from one estimation, as several
// experts of a pool.
type Many interface {
	State
	// PredictMany appends its answers to dst, always as many and in the same order.
	PredictMany(dst []Prediction, w Window, horizon int) ([]Prediction, error)
}
