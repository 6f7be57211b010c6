package upkeep

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foretick/foretick/market"
)

// Policy says how long the bars of each interval are kept, by the age of the newest bar of
// their series; under Ticks, how long ticks are kept. What it does not name is kept for ever.
type Policy map[market.Interval]time.Duration

// Ticks stands for ticks among the intervals of a Policy.
var Ticks market.Interval

const day = 24 * time.Hour

// ParsePolicy reads entries such as 1s=30d, 1m=never and ticks=7d. Ages are whole days (d), weeks (w)
// or years (y, of 365 days).
func ParsePolicy(entries []string) (Policy, error) {
	p := Policy{}
	for _, e := range entries {
		name, age, ok := strings.Cut(e, "=")
		if !ok {
			return nil, fmt.Errorf("%.40q: write an interval and an age, such as 1s=30d or 1m=never", e)
		}
		i := Ticks
		if name != "ticks" {
			var err error
			if i, err = market.ParseInterval(name); err != nil {
				return nil, fmt.Errorf("%.40q: %w", e, err)
			}
		}
		if i != Ticks && i.Duration() >= day {
			return nil, fmt.Errorf("%.40q: bars of a day and longer are few and are never deleted; leave it out", e)
		}
		d, err := parseAge(age)
		if err != nil {
			return nil, fmt.Errorf("%.40q: %w", e, err)
		}
		if _, twice := p[i]; twice {
			return nil, fmt.Errorf("%.40q: %s stands there twice", e, name)
		}
		p[i] = d
	}
	for i, d := range p {
		if d == never {
			delete(p, i)
		}
	}
	return p, nil
}

const never = time.Duration(-1)

func parseAge(s string) (time.Duration, error) {
	if s == "never" {
		return never, nil
	}
	n := len(s) - 1
	if n > 0 {
		k, err := strconv.Atoi(s[:n])
		unit := map[byte]time.Duration{'d': day, 'w': 7 * day, 'y': 365 * day}[s[n]]
		if err == nil && k >= 1 && k <= 36_500 && unit > 0 && time.Duration(k) <= 100*365*day/unit {
			return time.Duration(k) * unit, nil
		}
	}
	return 0, errors.New("an age is never, or a number of days, weeks or years such as 30d, 8w, 2y")
}

// String says the policy in words.
func (p Policy) String() string {
	if len(p) == 0 {
		return "bars of all intervals are kept for ever"
	}
	var list []market.Interval
	ticks, limited := p[Ticks]
	for i := range p {
		if i != Ticks {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b market.Interval) int { return int(a.Duration() - b.Duration()) })
	var words []string
	for _, i := range list {
		words = append(words, fmt.Sprintf("bars of %s are kept %d days", i, p[i]/day))
	}
	if limited {
		words = append(words, fmt.Sprintf("ticks %d days", ticks/day))
	}
	return strings.Join(words, ", ") + ", others for ever"
}
