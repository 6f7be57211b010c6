package forecasttest

import (
	"context"
	"fmt"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// staged takes a model through every scene: fitted on the calm before and asked as the scene
// goes on, and fitted where it ends.
func staged(t *testing.T, f forecast.Forecaster) {
	var calm forecast.Fitted
	for i := range scenes {
		s := &scenes[i]
		t.Run(s.name, func(t *testing.T) {
			bars := s.path()
			if !s.whole {
				if calm == nil {
					calm = mustFit(t, f, window(bars[:before]))
				}
				s.ask(t, "fitted before", s.during(), func(n, h int) (forecast.Prediction, error) { return calm.Predict(upTo(bars, n-1), h) })
			}
			within, err := f.Fit(context.Background(), upTo(bars, s.to()-1))
			if err != nil {
				if !isData(err) || !s.may(s.to()) {
					t.Fatalf("Fit on it: %v", err)
				}
				return
			}
			s.ask(t, "fitted on it", s.since(), func(n, h int) (forecast.Prediction, error) { return within.Predict(upTo(bars, n-1), h) })
		})
	}
}

// ask asks for forecasts after some bars of the path, and checks the answers.
func (s *scene) ask(t *testing.T, how string, bars []int, predict func(bars, horizon int) (forecast.Prediction, error)) {
	t.Helper()
	for _, n := range bars {
		for _, h := range setting.Horizons {
			if err := s.judge(n, predict, h); err != nil {
				t.Fatalf("%s, %s, horizon %d: %v", how, s.when(n), h, err)
			}
		}
	}
}

// judge is what is wrong with an answer after n bars of the path.
func (s *scene) judge(n int, predict func(bars, horizon int) (forecast.Prediction, error), h int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	p, err := predict(n, h)
	if err != nil {
		if isData(err) && s.may(n) {
			return nil
		}
		return err
	}
	return valid(&p)
}

// followed takes a state through every scene bar by bar. One that has learnt the calm bars
// is written, and read for each scene.
func followed(t *testing.T, f forecast.Follower) {
	var calm []byte
	for i := range scenes {
		s := &scenes[i]
		t.Run(s.name, func(t *testing.T) {
			bars := s.path()
			state := f.Follow(setting)
			if !s.whole {
				if calm == nil {
					drive(t, state, bars, 0, before)
					a := forecast.NewArchive()
					state.Persist(a)
					calm = a.Bytes()
				} else {
					state.Persist(forecast.ReadArchive(calm))
				}
			}
			s.follow(t, state, bars)
		})
	}
}

// follow takes state through the scene and what comes after, asking after every bar. Its
// parameters are estimated as the scene ends, and before the path does; an estimation may
// show from the next bar on.
func (s *scene) follow(t *testing.T, state forecast.State, bars []market.Bar) {
	ready := !s.whole
	for n := s.from() + 1; n <= len(bars); n++ {
		w := upTo(bars, n-1)
		state.Update(w)
		for _, h := range setting.Horizons {
			if !ready {
				break
			}
			err := s.judge(n, func(_, h int) (forecast.Prediction, error) { return state.Predict(w, h) }, h)
			if err != nil {
				t.Fatalf("followed, %s, horizon %d: %v", s.when(n), h, err)
			}
		}
		if n == max(s.to()-1, s.from()+1) || n == len(bars)-1 {
			switch err := state.Refit(t.Context()); {
			case err == nil:
				ready = true
			case !isData(err) || !s.may(n+1):
				t.Fatalf("Refit %s: %v", s.when(n), err)
			}
		}
	}
}
