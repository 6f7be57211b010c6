package scenario_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// words writes an entry of the ledger for people.
func (w *world) words(e *ledger.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d ", e.Seq)
	switch {
	case e.Genesis != nil:
		fmt.Fprintf(&b, "genesis: calendar %s, %s ahead at most\n", e.Genesis.Calendar, bars(e.Genesis.Horizons))
	case e.Issue != nil:
		fmt.Fprintf(&b, "issued at %s, from a close of %s\n", w.time(e.At), number(e.Issue.Last))
		for i := range e.Issue.Forecasts {
			f := &e.Issue.Forecasts[i]
			fmt.Fprintf(&b, "  %s h%d for %s: %s, 90%% from %s to %s", f.Model, f.Horizon, w.time(f.Target.Start),
				number(f.Point), number(f.Quantiles[forecast.Q05]), number(f.Quantiles[forecast.Q95]))
			if f.Late {
				b.WriteString(", late")
			}
			b.WriteByte('\n')
		}
		for _, a := range e.Issue.Abstentions {
			b.WriteString("  " + a.Model)
			if a.Horizon > 0 {
				fmt.Fprintf(&b, " h%d", a.Horizon)
			}
			fmt.Fprintf(&b, " abstains: %s\n", a.Reason)
		}
	case e.Outcome != nil:
		fmt.Fprintf(&b, "outcome: %s closed at %s", w.time(e.Outcome.Bar.Start), number(e.Outcome.Close))
		if e.Outcome.Revision > 0 {
			fmt.Fprintf(&b, ", revision %d", e.Outcome.Revision)
		}
		b.WriteByte('\n')
	case e.Void != nil:
		b.WriteString("void:")
		for _, t := range e.Void.Targets {
			b.WriteString(" " + w.time(t))
		}
		fmt.Fprintf(&b, ", %s\n", e.Void.Reason)
	case e.Gap != nil:
		fmt.Fprintf(&b, "gap: %s to %s, %s and %d forecasts missed\n", w.time(e.Gap.Span.Start), w.time(e.Gap.Span.End), bars(e.Gap.Bars), e.Gap.Missed)
	}
	return b.String()
}

func bars(n int) string {
	if n == 1 {
		return "1 bar"
	}
	return fmt.Sprint(n, " bars")
}

// number writes x with six digits.
func number(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }

const toTheMinute = "2006-01-02T15:04Z"

// time writes t as short as it goes: a date where bars are days.
func (w *world) time(t market.Time) string {
	u := t.Std()
	switch {
	case u.Equal(u.Truncate(24*time.Hour)) && w.cfg.Series.Interval.Duration() >= 24*time.Hour:
		return u.Format(time.DateOnly)
	case u.Equal(u.Truncate(time.Minute)):
		return u.Format(toTheMinute)
	}
	return t.String()
}

// parseTime reads what time writes, and RFC 3339.
func parseTime(s string) (market.Time, error) {
	if t, err := time.Parse(toTheMinute, s); err == nil {
		return market.TimeOf(t), nil
	}
	return market.ParseTime(s)
}

// agrees reports whether a value is the one that was written down. A number with decimals
// agrees when it rounds to them, one without when it is that number; a text when it
// contains what was written.
func agrees(want string, found any) (bool, error) {
	switch v := found.(type) {
	case float64:
		x, err := strconv.ParseFloat(want, 64)
		if err != nil {
			return false, fmt.Errorf("%q is not a number", want)
		}
		if math.IsNaN(x) {
			return math.IsNaN(v), nil
		}
		within := 1e-9 * math.Abs(x)
		mantissa, exponent, _ := strings.Cut(strings.ToLower(want), "e")
		if _, decimals, ok := strings.Cut(mantissa, "."); ok {
			e, _ := strconv.Atoi(exponent)
			within += 0.5 * math.Pow(10, float64(e-len(decimals)))
		}
		return math.Abs(v-x) <= within, nil
	case bool:
		if want != "yes" && want != "no" {
			return false, fmt.Errorf("%q is neither yes nor no", want)
		}
		return v == (want == "yes"), nil
	case market.Time:
		t, err := parseTime(want)
		return v == t, err
	case int:
		return strconv.Itoa(v) == want, nil
	case string:
		return strings.Contains(v, want), nil
	}
	panic(fmt.Sprintf("scenario: a value of type %T", found))
}

// show writes a value as an expectation would.
func (w *world) show(v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'g', 10, 64)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case market.Time:
		return w.time(v)
	case string:
		return quote(v)
	}
	return fmt.Sprint(v)
}

func quote(s string) string {
	if strings.ContainsAny(s, " '") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return s
}
