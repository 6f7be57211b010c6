package scenario_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// found is something that an expectation is about.
type found struct {
	what  string // "the score of naive h1 for 2020-01-02"
	facts map[string]any
}

// expectation is one kind of them. Its fields are what can be claimed of it.
type expectation struct {
	find   func(w *world, args []string) (found, error)
	fields string
}

var expectations = map[string]expectation{
	"forecast":   {(*world).findForecast, "point target late version " + quantileNames()},
	"abstention": {(*world).findAbstention, "reason"},
	"outcome":    {(*world).findOutcome, "close revision"},
	"score":      {(*world).findScore, "target actual predicted error percent hit crps naive-crps scale pit revision late regime"},
	"void":       {(*world).findVoid, "reason"},
	"gap":        {(*world).findGap, "bars missed from to"},
	"break":      {(*world).findBreak, "ratio announced voided"},
	"summary":    {(*world).findSummary, "n late mean median mae rmse mape mase coverage width crps skill naive-mae naive-crps"},
	"coverage":   {(*world).findCoverage, "held of"},
	"verdict":    {(*world).findVerdict, "text why n"},
	"none":       {(*world).findNone, ""},
}

func (w *world) expect(args []string) error {
	if len(args) == 0 {
		return errors.New("expect: want what")
	}
	kind, ok := expectations[args[0]]
	if !ok {
		return fmt.Errorf("unknown expectation %q; choose from %s", args[0], names(expectations))
	}
	var claims []string
	subject := slices.DeleteFunc(slices.Clone(args[1:]), func(a string) bool {
		claim := strings.Contains(a, "=")
		if claim {
			claims = append(claims, a)
		}
		return claim
	})
	f, err := kind.find(w, subject)
	if err != nil {
		return err
	}
	if fields := strings.Fields(kind.fields); names(f.facts) != strings.Join(slices.Sorted(slices.Values(fields)), ", ") {
		return fmt.Errorf("expect: the fields of %s are %s, not %s", args[0], names(f.facts), kind.fields)
	}
	var wanted, is []string
	for _, c := range claims {
		name, want, _ := strings.Cut(c, "=")
		v, ok := f.facts[name]
		if !ok {
			return fmt.Errorf("unknown field %q of %s; choose from %s", name, args[0], names(f.facts))
		}
		agree, err := agrees(want, v)
		if err != nil {
			return err
		}
		if !agree {
			wanted, is = append(wanted, name+"="+quote(want)), append(is, name+"="+w.show(v))
		}
	}
	if len(wanted) > 0 {
		return fmt.Errorf("expected %s, found %s, in %s", strings.Join(wanted, " "), strings.Join(is, " "), f.what)
	}
	return nil
}

// parseContender reads MODEL hN.
func parseContender(args []string) (c contender, err error) {
	if len(args) < 2 || !strings.HasPrefix(args[1], "h") {
		return c, errors.New("want MODEL hN")
	}
	c.model = args[0]
	c.horizon, err = strconv.Atoi(args[1][1:])
	return c, err
}

// missing says what there is instead.
func missing(want string, plural string, there []string) error {
	if len(there) == 0 {
		return fmt.Errorf("expected %s, found none", want)
	}
	slices.Sort(there)
	return fmt.Errorf("expected %s, found %s %s", want, plural, strings.Join(slices.Compact(there), ", "))
}

func (w *world) findForecast(args []string) (found, error) {
	c, err := parseContender(args)
	if err != nil {
		return found{}, err
	}
	var there []string
	for _, f := range slices.Backward(w.news.Forecasts) {
		if of := (contender{f.Model, f.Horizon}); of != c {
			there = append(there, of.String())
			continue
		}
		facts := map[string]any{"point": f.Point, "target": f.Target.Start, "late": f.Late, "version": f.Version}
		for i, name := range strings.Fields(quantileNames()) {
			facts[name] = f.Quantiles[i]
		}
		return found{fmt.Sprintf("the forecast of %s for %s", c, w.time(f.Target.Start)), facts}, nil
	}
	return found{}, missing("a forecast of "+c.String(), "forecasts of", there)
}

// quantileNames are q01, q025, q05 ... q99.
func quantileNames() string {
	var list []string
	for _, p := range forecast.Probabilities {
		list = append(list, "q"+strings.TrimPrefix(fmt.Sprintf("%.2f", p), "0."))
		if r := math.Round(p*100) / 100; r != p {
			list[len(list)-1] = "q" + strings.TrimPrefix(fmt.Sprint(p), "0.")
		}
	}
	return strings.Join(list, " ")
}

func (w *world) findAbstention(args []string) (found, error) {
	if len(args) == 0 {
		return found{}, errors.New("want MODEL [hN]")
	}
	c := contender{model: args[0]} // all horizons
	if len(args) > 1 {
		var err error
		if c, err = parseContender(args); err != nil {
			return found{}, err
		}
	}
	var there []string
	for _, a := range slices.Backward(w.news.Abstentions) {
		if of := (contender{a.Model, a.Horizon}); of != c {
			there = append(there, of.String())
			continue
		}
		return found{"the abstention of " + strings.Join(args, " "), map[string]any{"reason": a.Reason}}, nil
	}
	return found{}, missing("an abstention of "+strings.Join(args, " "), "abstentions of", there)
}

func (w *world) findOutcome(args []string) (found, error) {
	if len(args) != 1 {
		return found{}, errors.New("want a time")
	}
	t, err := parseTime(args[0])
	if err != nil {
		return found{}, err
	}
	var there []string
	for _, e := range slices.Backward(w.news.entries) {
		switch o := e.Outcome; {
		case o == nil:
		case o.Bar.Start != t:
			there = append(there, w.time(o.Bar.Start))
		default:
			return found{"the outcome of " + args[0], map[string]any{"close": o.Close, "revision": o.Revision}}, nil
		}
	}
	return found{}, missing("an outcome of "+args[0], "the outcomes of", there)
}

func (w *world) findScore(args []string) (found, error) {
	c, err := parseContender(args)
	if err != nil {
		return found{}, err
	}
	var there []string
	for _, s := range slices.Backward(w.news.Scores) {
		if of := (contender{s.Model, s.Horizon}); of != c {
			there = append(there, of.String())
			continue
		}
		return found{fmt.Sprintf("the score of %s for %s", c, w.time(s.Target)), map[string]any{
			"target": s.Target, "actual": s.Actual, "predicted": s.Predicted, "error": s.Error(), "percent": s.PercentError(), "hit": s.Hit(),
			"crps": s.CRPS, "naive-crps": s.NaiveCRPS, "scale": s.Scale, "pit": s.PIT, "revision": s.Revision, "late": s.Late, "regime": s.Regime.String(),
		}}, nil
	}
	return found{}, missing("a score of "+c.String(), "scores of", there)
}

func (w *world) findVoid(args []string) (found, error) {
	var there []string
	for _, e := range w.news.entries {
		if e.Void == nil {
			continue
		}
		var targets []string
		for _, t := range e.Void.Targets {
			targets = append(targets, w.time(t))
		}
		if slices.Equal(targets, args) {
			return found{"the void targets " + strings.Join(args, " "), map[string]any{"reason": e.Void.Reason}}, nil
		}
		there = append(there, strings.Join(targets, " "))
	}
	return found{}, missing("a void target "+strings.Join(args, " "), "void targets", there)
}

func (w *world) findGap([]string) (found, error) {
	for _, e := range w.news.entries {
		if g := e.Gap; g != nil {
			return found{"the gap", map[string]any{"bars": g.Bars, "missed": g.Missed, "from": g.Span.Start, "to": g.Span.End}}, nil
		}
	}
	return found{}, missing("a gap", "", nil)
}

func (w *world) findBreak([]string) (found, error) {
	b := w.news.Break
	if b == nil {
		return found{}, missing("a break", "", nil)
	}
	return found{"the break before " + w.time(b.Bar.Start), map[string]any{"ratio": market.RatioText(b.Ratio), "announced": b.Announced, "voided": b.Voided}}, nil
}

// accumulated are the scores of a model at a horizon so far.
func (w *world) accumulated(args []string) (*score.Accumulator, contender, error) {
	c, err := parseContender(args)
	if err != nil {
		return nil, c, err
	}
	if a := w.scores[c]; a != nil {
		return a, c, nil
	}
	var there []string
	for other := range w.scores {
		there = append(there, other.String())
	}
	return nil, c, missing("scores of "+c.String(), "scores of", there)
}

func (w *world) findSummary(args []string) (found, error) {
	a, c, err := w.accumulated(args)
	if err != nil {
		return found{}, err
	}
	window := score.WindowAll
	if len(args) > 2 {
		window = score.WindowName(args[2])
	}
	for _, s := range a.Windows() {
		if s.Window != window {
			continue
		}
		return found{"the summary of " + c.String(), map[string]any{
			"n": s.N, "late": s.Late, "mean": s.Error.Mean, "median": s.Error.Median, "mae": s.MAE, "rmse": s.RMSE, "mape": s.MAPE, "mase": s.MASE,
			"coverage": s.Coverage90, "width": s.Width90, "crps": s.CRPS, "skill": s.Skill, "naive-mae": s.Naive.MAE, "naive-crps": s.Naive.CRPS,
		}}, nil
	}
	return found{}, fmt.Errorf("unknown window %q", window)
}

func (w *world) findCoverage(args []string) (found, error) {
	a, c, err := w.accumulated(args)
	if err != nil {
		return found{}, err
	}
	if len(args) != 3 {
		return found{}, errors.New("want MODEL hN LEVEL%")
	}
	level, err := strconv.ParseFloat(strings.TrimSuffix(args[2], "%"), 64)
	if err != nil {
		return found{}, err
	}
	cal := a.Calibration(true)
	for _, l := range cal.Levels {
		if math.Abs(100*l.Level-level) < 1e-9 {
			return found{fmt.Sprintf("the coverage of %s at %s", c, args[2]), map[string]any{"of": cal.N, "held": int(math.Round(l.Share * float64(cal.N)))}}, nil
		}
	}
	return found{}, fmt.Errorf("there is no interval of %s", args[2])
}

func (w *world) findVerdict(args []string) (found, error) {
	a, c, err := w.accumulated(args)
	if err != nil {
		return found{}, err
	}
	v := score.Judge(c.model, a.Evidence())
	return found{"the verdict on " + c.String(), map[string]any{"text": v.Text, "why": v.Why, "n": v.Evidence.N}}, nil
}

// findNone wants that the last command brought nothing, or nothing of the kinds that are
// named.
func (w *world) findNone(args []string) (found, error) {
	there := map[string][]string{}
	for _, f := range w.news.Forecasts {
		there["forecast"] = append(there["forecast"], fmt.Sprintf("%s h%d for %s", f.Model, f.Horizon, w.time(f.Target.Start)))
	}
	for _, a := range w.news.Abstentions {
		there["abstention"] = append(there["abstention"], fmt.Sprintf("%s h%d", a.Model, a.Horizon))
	}
	for _, s := range w.news.Scores {
		there["score"] = append(there["score"], fmt.Sprintf("%s h%d for %s", s.Model, s.Horizon, w.time(s.Target)))
	}
	for _, e := range w.news.entries {
		what := strings.TrimSpace(w.words(e))
		switch {
		case e.Outcome != nil:
			there["outcome"] = append(there["outcome"], what)
		case e.Void != nil:
			there["void"] = append(there["void"], what)
		case e.Gap != nil:
			there["gap"] = append(there["gap"], what)
		}
	}
	if b := w.news.Break; b != nil {
		there["break"] = append(there["break"], b.Reason())
	}
	if len(args) == 0 {
		var all []string
		for _, kind := range slices.Sorted(maps.Keys(there)) {
			all = append(all, fmt.Sprintf("%d %s", len(there[kind]), kind))
		}
		if len(all) > 0 {
			return found{}, fmt.Errorf("expected nothing, found %s", strings.Join(all, ", "))
		}
	}
	for _, kind := range args {
		if !slices.Contains([]string{"forecast", "abstention", "score", "outcome", "void", "gap", "break"}, kind) {
			return found{}, fmt.Errorf("expect none: %q is nothing that a bar brings", kind)
		}
		if list := there[kind]; len(list) > 0 {
			return found{}, fmt.Errorf("expected no %s, found %d: %s", kind, len(list), strings.Join(list, ", "))
		}
	}
	return found{}, nil
}
