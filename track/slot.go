package track

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/foretick/foretick/forecast"
)

// slot is a model in the race: its current version and, when it follows the series
// bar by bar, its state.
type slot struct {
	model   forecast.Forecaster
	fitted  forecast.Fitted // nil for a follower
	state   forecast.State  // nil for a model that looks at the window only
	ready   bool            // parameters have been estimated
	version string
	why     string // why it is not ready
	age     int    // bars since the parameters were estimated
}

func newSlot(m forecast.Forecaster, set forecast.Setting) slot {
	s := slot{model: m, why: "not fitted yet"}
	if f, ok := m.(forecast.Follower); ok {
		s.state = f.Follow(set)
	}
	return s
}

// update lets the state learn from the newest bar of w. A state that panics is
// replaced by a new one, which knows nothing.
func (s *slot) update(w forecast.Window, set forecast.Setting) {
	s.age++
	if s.state == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			age := s.age
			*s = newSlot(s.model, set)
			s.age, s.why = age, fmt.Sprintf("the model panicked and starts anew: %v", p)
		}
	}()
	s.state.Update(w)
}

// fit estimates the parameters from the bars so far. When it fails, an earlier
// version stays.
func (s *slot) fit(ctx context.Context, w forecast.Window) {
	v, f, err := s.estimate(ctx, w)
	switch {
	case err == nil:
		s.fitted, s.version, s.ready, s.why, s.age = f, v, true, "", 0
	case s.ready:
		s.age = 0 // the next try is due on schedule
	default:
		s.why = err.Error()
	}
}

func (s *slot) estimate(ctx context.Context, w forecast.Window) (v string, f forecast.Fitted, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the model panicked: %v", p)
		}
	}()
	var named any = s.state
	if s.state != nil {
		err = s.state.Refit(ctx)
	} else {
		f, err = s.model.Fit(ctx, w)
		named = f
	}
	if err != nil {
		return "", nil, err
	}
	v, err = version(s.model.Name(), named)
	return v, f, err
}

// predict asks the model for one horizon.
func (s *slot) predict(w forecast.Window, h int) (p forecast.Prediction, shares []forecast.Share, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the model panicked: %v", r)
		}
	}()
	if s.state == nil {
		p, err = s.fitted.Predict(w, h)
		return p, nil, err
	}
	if p, err = s.state.Predict(w, h); err != nil {
		return p, nil, err
	}
	if c, ok := s.state.(forecast.Combined); ok {
		shares = c.Shares(h)
	}
	return p, shares, nil
}

// version names a fitted model after what decides its answers: 8 bytes of a digest, so
// that two fits of a series that goes on for years do not come to one name.
func version(model string, fitted any) (string, error) {
	e, ok := fitted.(forecast.Encoder)
	if !ok {
		return model, nil
	}
	b, err := e.Encode()
	if err != nil {
		return "", fmt.Errorf("track: version of %s: %w", model, err)
	}
	sum := sha256.Sum256(b)
	return model + "@" + hex.EncodeToString(sum[:8]), nil
}
