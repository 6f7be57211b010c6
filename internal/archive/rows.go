package archive

import (
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Row is a row of one of the tables. The tags name the columns, their logical types and
// encodings, see docs/formats/archive.md for what was measured.
type Row interface {
	BarRow | EntryRow | ScoreRow | TickRow
}

// BarRow is a bar, in the order of the log.
type BarRow struct {
	Series   string      `parquet:"series,dict"`
	Time     market.Time `parquet:"time,timestamp(microsecond),delta"` // start
	EndTime  market.Time `parquet:"end_time,timestamp(microsecond),delta"`
	Open     float64     `parquet:"open,dict"`
	High     float64     `parquet:"high,dict"`
	Low      float64     `parquet:"low,dict"`
	Close    float64     `parquet:"close,dict"`
	Volume   float64     `parquet:"volume,split"`
	Trades   int64       `parquet:"trades,delta"`
	Revision int64       `parquet:"revision,delta"`
	Backfill bool        `parquet:"backfill"`
	AfterGap bool        `parquet:"after_gap"`
	Seq      uint64      `parquet:"seq,delta"`
}

// barRow is the row of a bar.
func barRow(b *store.BarRecord) BarRow {
	return BarRow{
		Series: string(b.Series), Time: b.Start, EndTime: b.End, Open: b.Open, High: b.High, Low: b.Low, Close: b.Close, Volume: b.Volume,
		Trades: b.Trades, Revision: int64(b.Revision), Backfill: b.Backfill, AfterGap: b.AfterGap, Seq: b.Seq,
	}
}

// Record is the bar of a row. What no bar can be is an error.
func (r *BarRow) Record() (store.BarRecord, error) {
	b := store.BarRecord{
		Series: market.SeriesID(r.Series), Backfill: r.Backfill, AfterGap: r.AfterGap, Seq: r.Seq,
		Bar: market.Bar{Start: r.Time, End: r.EndTime, Open: r.Open, High: r.High, Low: r.Low, Close: r.Close, Volume: r.Volume,
			Trades: r.Trades, Revision: int(r.Revision)},
	}
	if r.Revision < 0 || r.Revision > math.MaxInt32 || r.Trades < 0 {
		return b, fmt.Errorf("revision %d or %d trades are no numbers that a bar has", r.Revision, r.Trades)
	}
	return b, b.Validate(true)
}

// TickRow is a tick.
type TickRow struct {
	Series string      `parquet:"series,dict"`
	Time   market.Time `parquet:"time,timestamp(microsecond),delta"`
	Price  float64     `parquet:"price,dict"`
	Size   float64     `parquet:"size,split"`
	Seq    uint64      `parquet:"seq,delta"` // the venue's own number
}

// Tick is the tick of a row. What no tick can be is an error.
func (r *TickRow) Tick() (market.Tick, error) {
	t := market.Tick{Time: r.Time, Price: r.Price, Size: r.Size, Seq: r.Seq}
	return t, t.Validate(true)
}

// ScoreRow is a score, see package score.
type ScoreRow struct {
	Series     string      `parquet:"series,dict"`
	Target     market.Time `parquet:"target,timestamp(microsecond),delta"`
	Cutoff     market.Time `parquet:"cutoff,timestamp(microsecond),delta"`
	Model      string      `parquet:"model,dict"`
	Version    string      `parquet:"version,dict"`
	Horizon    int64       `parquet:"horizon,delta"`
	Revision   int64       `parquet:"revision,delta"`
	Late       bool        `parquet:"late"`
	Regime     int64       `parquet:"regime,delta"`
	Last       float64     `parquet:"last,dict"`
	Predicted  float64     `parquet:"predicted,split"`
	Actual     float64     `parquet:"actual,dict"`
	Lower      float64     `parquet:"lower,split"`
	Upper      float64     `parquet:"upper,split"`
	Scale      float64     `parquet:"scale,dict"`
	CRPS       float64     `parquet:"crps,split"`
	NaiveCRPS  float64     `parquet:"naive_crps,dict"`
	GainLow    float64     `parquet:"gain_low,split"`
	GainHigh   float64     `parquet:"gain_high,split"`
	PIT        float64     `parquet:"pit,split"`
	Volatility float64     `parquet:"volatility,dict"`
}

func scoreRow(id market.SeriesID, s *score.Score) ScoreRow {
	return ScoreRow{
		Series: string(id), Target: s.Target, Cutoff: s.Cutoff, Model: s.Model, Version: s.Version, Horizon: int64(s.Horizon),
		Revision: int64(s.Revision), Late: s.Late, Regime: int64(s.Regime), Last: s.Last, Predicted: s.Predicted, Actual: s.Actual,
		Lower: s.Lower, Upper: s.Upper, Scale: s.Scale, CRPS: s.CRPS, NaiveCRPS: s.NaiveCRPS, GainLow: s.GainLow, GainHigh: s.GainHigh,
		PIT: s.PIT, Volatility: s.Volatility,
	}
}

// Score is the score of a row. What no score can be is an error.
func (r *ScoreRow) Score() (score.Score, error) {
	s := score.Score{
		Model: r.Model, Version: r.Version, Horizon: int(r.Horizon), Cutoff: r.Cutoff, Target: r.Target, Revision: int(r.Revision), Late: r.Late,
		Last: r.Last, Predicted: r.Predicted, Actual: r.Actual, Lower: r.Lower, Upper: r.Upper, Scale: r.Scale, CRPS: r.CRPS,
		NaiveCRPS: r.NaiveCRPS, GainLow: r.GainLow, GainHigh: r.GainHigh, PIT: r.PIT, Volatility: r.Volatility, Regime: forecast.Regime(r.Regime),
	}
	if r.Horizon < 1 || r.Horizon > math.MaxUint16 || r.Revision < 0 || r.Revision > math.MaxInt32 || r.Regime < 0 || r.Regime > int64(forecast.HighVolatility) ||
		r.Model == "" || len(r.Model) > 1024 || len(r.Version) > 1024 {
		return s, fmt.Errorf("model %.20q, horizon %d, revision %d, regime %d: that is no score", r.Model, r.Horizon, r.Revision, r.Regime)
	}
	return s, nil
}
