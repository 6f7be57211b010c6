package backtest

import (
	"math"
	"strconv"

	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Number is a float64 that is null in JSON when it is not finite.
type Number float64

// MarshalJSON writes n with as many digits as give it back.
func (n Number) MarshalJSON() ([]byte, error) {
	v := float64(n)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, v, 'g', -1, 64), nil
}

// UnmarshalJSON reads a number, or null as NaN.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	*n = Number(v)
	return err
}

// Report is a finished backtest.
type Report struct {
	Protocol Protocol `json:"protocol"`
	Results  []Result `json:"results"` // by series, horizon, then model
	Series   []Walked `json:"series"`  // what was walked, in the order of the inputs
	Pooled   []Pooled `json:"pooled"`  // over all series, by horizon, then model
}

// Protocol says how the figures came about.
type Protocol struct {
	Spec
	From    *market.Time `json:"from,omitempty"`
	To      *market.Time `json:"to,omitempty"`
	Version string       `json:"version"` // of Foretick
	Created market.Time  `json:"created"`
	CRPS    string       `json:"crps"` // what the figure is
	Digest  string       `json:"digest"`
	Note    string       `json:"note"`
}

// Walked is one series.
type Walked struct {
	Series    market.SeriesID `json:"series"`
	File      string          `json:"file"`
	Simulated bool            `json:"simulated"`
	Bars      int             `json:"bars"`
	From      market.Time     `json:"from"`
	To        market.Time     `json:"to"`
	// Skipped says why the series was not walked; empty when it was.
	Skipped string `json:"skipped,omitempty"`
	// Warnings tell of moves that look like splits which nobody announced. They were not
	// learnt from, and no forecast was judged across them.
	Warnings []string `json:"warnings,omitempty"`
	// Head is the end of the ledger that the walk sealed, for comparison with others.
	Head string `json:"head,omitempty"`
}

// Result is how one model did on one series at one horizon. Returns and CRPS are x
// 100.
type Result struct {
	Series     market.SeriesID `json:"series"`
	File       string          `json:"file"`
	Model      string          `json:"model"`
	Horizon    int             `json:"horizon"`
	N          int             `json:"n"`          // forecasts judged
	Abstained  int             `json:"abstained"`  // origins without a forecast
	CRPS       Number          `json:"crps"`       // twice the mean pinball loss over 19 levels, in 100 x log return
	Coverage90 Number          `json:"coverage90"` // share of outcomes inside the 90 % interval
	Width90    Number          `json:"width90"`    // mean, in 100 x log return
	// Coverage90ByRegime is that where volatility, the standard deviation of the 20
	// newest returns, was in its low, middle and high tercile over the origins judged.
	Coverage90ByRegime [3]Number `json:"coverage90_by_regime"`
	MAE                Number    `json:"mae"`   // of the point, in price units
	MASE               Number    `json:"mase"`  // in mean absolute one-bar changes of the burn-in
	Skill              Number    `json:"skill"` // 1 - CRPS / naive's, on the same origins
	// DMP is the p-value of the Diebold-Mariano test against naive, two-sided. It
	// counts only because the length of the walk was set beforehand.
	DMP Number `json:"dm_p"`
	// EValue is the evidence of the test that stays valid however often it is looked
	// at, and Verdict its words.
	EValue  Number     `json:"e_value"`
	Verdict score.Code `json:"verdict"`

	Detail *Detail `json:"detail,omitempty"`
}

// Detail is what the report draws.
type Detail struct {
	Why           string     `json:"why,omitempty"` // the verdict in a sentence
	Reason        string     `json:"reason,omitempty"`
	IntervalScore Number     `json:"interval_score90"`
	Reliability   []Number   `json:"reliability"` // share of outcomes up to each of the 23 probabilities
	PIT           []int      `json:"pit"`         // outcomes in each twentieth of the distribution
	Curve         []CurveDot `json:"curve"`       // skill over time
	Best          []FanBar   `json:"best,omitempty"`
	Worst         []FanBar   `json:"worst,omitempty"`
}

// CurveDot is the skill over all origins judged up to a time, and over the last part of
// them.
type CurveDot struct {
	At     market.Time `json:"at"`
	Skill  Number      `json:"skill"`
	Recent Number      `json:"recent"`
}

// FanBar is a forecast and what came, in prices.
type FanBar struct {
	At        market.Time `json:"at"` // start of the target
	Actual    Number      `json:"actual"`
	Quantiles [5]Number   `json:"quantiles"` // 5, 25, 50, 75 and 95 %
}

// Pooled is how one model did over all series at one horizon.
type Pooled struct {
	Model   string `json:"model"`
	Horizon int    `json:"horizon"`
	Series  int    `json:"series"`
	N       int    `json:"n"`
	// CRPSRatio is the geometric mean over series of CRPS / naive's.
	CRPSRatio          Number    `json:"crps_ratio"`
	Better             int       `json:"better"`             // series with a lower CRPS than naive
	SignificantlyBest  int       `json:"better_significant"` // of them with dm_p < 0.05
	SignificantlyWorse int       `json:"worse_significant"`  // series with a higher one and dm_p < 0.05
	Coverage90         Number    `json:"coverage90"`         // weighted by origins
	Coverage90ByRegime [3]Number `json:"coverage90_by_regime"`
	WorstCoverage90    Number    `json:"worst_coverage90"` // of a single series, furthest from 0.9
	// Discoveries is the number of series with a verdict in either direction after
	// correction for their number (e-BH at 5 %).
	Discoveries int `json:"discoveries"`
	// ConfidenceSet says that the model is in the 90 % model confidence set.
	ConfidenceSet bool `json:"confidence_set"`
}
