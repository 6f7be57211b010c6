package conformal

import (
	"fmt"
	"math"
	"strings"

	"github.com/foretick/foretick/forecast"
)

// recent is how many outcomes a Shift counts.
const recent = 500

// Acting reports whether a drift has been found and forecasts are corrected.
func (l *Layer) Acting() bool { return l.total >= l.alarm }

// Shift says what a layer does now, and what it has seen.
type Shift struct {
	Acting bool
	// Evidence is that of a drift over what it takes to act: acting from 1 on, 100
	// at most.
	Evidence float64
	// Lower and Upper are the factors that correct the distance of each tail from
	// the median at the newest origin: 1 when it does not act, above 1 when wider.
	Lower, Upper float64
	Regime       forecast.Regime // of the newest origin
	// Of the newest outcomes, 500 at most, how many there were, and how many fell
	// below the 5 % and above the 95 % quantile as they were before the correction.
	Outcomes, Below, Above int
}

// Shift reports what the layer does at the newest origin.
func (l *Layer) Shift() Shift {
	lower, upper := l.correction()
	s := Shift{Acting: l.Acting(), Evidence: l.total / l.alarm, Lower: lower, Upper: upper, Regime: l.regime}
	s.Outcomes, s.Below, s.Above = l.recently.counts()
	return s
}

// String says it in words, such as "upper tail widened by 4 %: of the last 500
// outcomes 5.2 % fell below and 8.1 % above, 5 % expected each".
func (s Shift) String() string {
	if !s.Acting {
		return "no drift found"
	}
	var b strings.Builder
	for _, t := range [...]struct {
		name   string
		factor float64
	}{{"lower", s.Lower}, {"upper", s.Upper}} {
		per := math.Round(100 * (t.factor - 1))
		if per == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		done := "widened"
		if per < 0 {
			done = "narrowed"
		}
		fmt.Fprintf(&b, "%s tail %s by %.0f %%", t.name, done, math.Abs(per))
	}
	if b.Len() == 0 {
		b.WriteString("drift found, nothing to correct at this volatility")
	}
	if s.Outcomes > 0 {
		n := float64(s.Outcomes)
		fmt.Fprintf(&b, ": of the last %d outcomes %.1f %% fell below and %.1f %% above, 5 %% expected each",
			s.Outcomes, 100*float64(s.Below)/n, 100*float64(s.Above)/n)
	}
	return b.String()
}

// tally counts where the newest outcomes fell.
type tally struct {
	fell []byte // 1 below, 2 above, 0 between, in a ring
	next int    // place of the next one
}

func newTally() tally { return tally{fell: make([]byte, 0, recent)} }

func (t *tally) add(below, above bool) {
	var f byte
	switch {
	case below:
		f = 1
	case above:
		f = 2
	}
	if len(t.fell) < recent {
		t.fell = append(t.fell, f)
		return
	}
	t.fell[t.next] = f
	t.next = (t.next + 1) % recent
}

func (t *tally) counts() (n, below, above int) {
	for _, f := range t.fell {
		switch f {
		case 1:
			below++
		case 2:
			above++
		}
	}
	return len(t.fell), below, above
}

func (t *tally) persist(a *forecast.Archive) {
	b := t.fell
	a.Blob(&b)
	a.Int(&t.next)
	if !a.Reading() {
		return
	}
	if len(b) > recent || t.next < 0 || t.next >= recent {
		a.Fail("%d outcomes of a layer", len(b))
		b, t.next = nil, 0
	}
	t.fell = append(t.fell[:0], b...)
}
