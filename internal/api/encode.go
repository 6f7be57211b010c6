package api

import (
	"encoding/json"
	"strconv"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// The events of the stream are appended by hand: with a thousand series a second this
// is the hot path of serving. The shapes are those of the REST answers.

// object builds a JSON object.
type object struct{ b []byte }

func (o *object) key(name string) {
	if c := o.b[len(o.b)-1]; c != '{' && c != '[' {
		o.b = append(o.b, ',')
	}
	o.b = append(append(append(o.b, '"'), name...), '"', ':')
}

func (o *object) open(c byte) {
	if last := o.b[len(o.b)-1]; last == '}' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, c)
}

func (o *object) text(name, v string) { o.key(name); o.b = appendString(o.b, v) }
func (o *object) int(name string, v int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, v, 10)
}
func (o *object) bool(name string, v bool) {
	o.key(name)
	o.b = strconv.AppendBool(o.b, v)
}
func (o *object) num(name string, v float64) { o.key(name); o.b = appendNumber(o.b, v) }
func (o *object) time(name string, t market.Time) {
	o.key(name)
	o.b = appendTime(o.b, t)
}

func appendTime(b []byte, t market.Time) []byte {
	b, _ = t.AppendText(append(b, '"')) // never fails
	return append(b, '"')
}

// appendNumber writes v as encoding/json does, null for what is not a number.
func appendNumber(b []byte, v float64) []byte {
	if v-v != 0 {
		return append(b, "null"...)
	}
	format := byte('f')
	if a := max(v, -v); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, v, format, -1, 64)
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			q, _ := json.Marshal(s) // a string always has a JSON form
			return append(b, q...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// begin starts the data of an event.
func begin(id market.SeriesID) *object {
	o := &object{make([]byte, 0, 2048)}
	o.b = append(o.b, '{')
	o.text("series", string(id))
	return o
}

func encodeBar(r *store.BarRecord) []byte {
	o := begin(r.Series)
	o.key("bar")
	o.b = append(o.b, '{')
	o.time("start", r.Start)
	o.time("end", r.End)
	o.num("open", r.Open)
	o.num("high", r.High)
	o.num("low", r.Low)
	o.num("close", r.Close)
	o.num("volume", r.Volume)
	o.int("trades", r.Trades)
	o.int("revision", int64(r.Revision))
	return append(o.b, '}', '}')
}

func encodeIssue(s *ledger.Sealed, e *ledger.Entry) []byte {
	o := begin(e.Series)
	o.int("entry", int64(s.Seq))
	o.text("hash", s.Hash.String())
	o.time("cutoff", e.Issue.Cutoff)
	o.time("issued_at", e.At)
	o.num("last", e.Issue.Last)
	o.key("forecasts")
	o.b = append(o.b, '[')
	for i := range e.Issue.Forecasts {
		f := &e.Issue.Forecasts[i]
		o.open('{')
		o.text("model", f.Model)
		o.text("version", f.Version)
		o.int("horizon", int64(f.Horizon))
		o.key("target")
		o.b = append(o.b, '{')
		o.time("start", f.Target.Start)
		o.time("end", f.Target.End)
		o.b = append(o.b, '}')
		o.num("point", f.Point)
		o.num("lower90", f.Quantiles[forecast.Q05])
		o.num("lower50", f.Quantiles[forecast.Q25])
		o.num("upper50", f.Quantiles[forecast.Q75])
		o.num("upper90", f.Quantiles[forecast.Q95])
		o.bool("late", f.Late)
		o.num("opened_ms", float64(e.At-f.Target.Start)/1000)
		o.b = append(o.b, '}')
	}
	o.b = append(o.b, ']')
	o.key("abstentions")
	o.b = append(o.b, '[')
	for i := range e.Issue.Abstentions {
		a := &e.Issue.Abstentions[i]
		o.open('{')
		o.text("model", a.Model)
		o.int("horizon", int64(a.Horizon))
		o.text("reason", a.Reason)
		o.b = append(o.b, '}')
	}
	return append(o.b, ']', '}')
}

func encodeOutcome(s *ledger.Sealed, e *ledger.Entry, scores []score.Score) []byte {
	o := begin(e.Series)
	o.int("entry", int64(s.Seq))
	o.time("target", e.Outcome.Bar.Start)
	o.num("close", e.Outcome.Close)
	o.int("revision", int64(e.Outcome.Revision))
	o.key("scores")
	o.b = append(o.b, '[')
	for i := range scores {
		sc := &scores[i]
		if sc.Revision != e.Outcome.Revision {
			continue // read later, when the outcome had been revised: that is another event
		}
		o.open('{')
		o.text("model", sc.Model)
		o.int("horizon", int64(sc.Horizon))
		o.time("cutoff", sc.Cutoff)
		o.num("predicted", sc.Predicted)
		o.num("actual", sc.Actual)
		o.num("error", sc.Error())
		o.num("percent_error", sc.PercentError())
		o.num("lower90", sc.Lower)
		o.num("upper90", sc.Upper)
		o.bool("hit", sc.Hit())
		o.num("crps", sc.CRPS)
		o.num("naive_crps", sc.NaiveCRPS)
		o.bool("late", sc.Late)
		o.b = append(o.b, '}')
	}
	return append(o.b, ']', '}')
}

func encodeVoid(s *ledger.Sealed, e *ledger.Entry) []byte {
	o := begin(e.Series)
	o.int("entry", int64(s.Seq))
	o.key("targets")
	o.b = append(o.b, '[')
	for i, t := range e.Void.Targets {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = appendTime(o.b, t)
	}
	o.b = append(o.b, ']')
	o.text("reason", e.Void.Reason)
	return append(o.b, '}')
}

func encodeGap(s *ledger.Sealed, e *ledger.Entry) []byte {
	o := begin(e.Series)
	o.int("entry", int64(s.Seq))
	o.time("from", e.Gap.Span.Start)
	o.time("to", e.Gap.Span.End)
	o.int("bars", int64(e.Gap.Bars))
	o.int("missed", int64(e.Gap.Missed))
	o.text("reason", e.Gap.Reason)
	return append(o.b, '}')
}
