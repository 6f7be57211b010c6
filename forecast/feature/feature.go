// Package feature turns bars into rows of numbers that regressions and trees learn
// from: what a bar and the bars before it say about the return to come.
//
// A [Row] holds no prices and no percentages. Returns are divided by the volatility
// of the time, volatilities enter as logs of ratios between a shorter or longer
// memory and one of 16 bars, volume as a surprise. So a row means the same for a
// currency and for a coin, in a calm year and in a wild one, and what is learnt from
// it is the shape of the distribution in units of the current volatility; the
// response is standardised likewise ([Table.Target]).
//
// With r the log return, V the variance that the range of a bar tells ([Range]), both
// divided by the factor of the season ([Season]), E(k) the exponentially weighted mean
// of V with a half-life of k bars, and s = sqrt(E(16)):
//
//	Return1, 2, 5, 22   sum of the last k returns / (s sqrt(k)), within ±4
//	Fall                max(-Return1, 0): bad news counts for more (Black 1976; Glosten,
//	                    Jagannathan & Runkle 1993); |Return1| is Return1 + 2 Fall
//	Vol1, 4, 64, 250    ln E(k)/E(16): the cascade of horizons (Corsi 2009)
//	VolClose            ln C/E(16), C as E(12) but of r²: ranges against closes
//	Volume              ln volume less its mean of half-life 22, within ±3; 0 without
//	Tilt                sum of r|r| / sum of r², half-life 16: on which side of zero
//	                    the variance came (Barndorff-Nielsen, Kinnebrock & Shephard
//	                    2010, "Measuring downside risk: realised semivariance")
//
// The time of day and the day of the week enter where a cycle has been seen, not as
// columns but as a factor of the variance: a wild first hour is a matter of scale, and
// a column would have to be learnt for every horizon anew.
//
// Every number is known at the close of its bar. A bar costs the same however many
// came before it.
package feature

// The columns of a Row.
const (
	Return1 = iota
	Return2
	Return5
	Return22
	Fall
	Vol1
	Vol4
	Vol64
	Vol250
	VolClose
	Volume
	Tilt
	Columns // how many there are
)

// Names are the columns' names, in order.
var Names = [Columns]string{
	"return1", "return2", "return5", "return22", "fall",
	"vol1", "vol4", "vol64", "vol250", "volclose", "volume", "tilt",
}

// Row is what is known at the close of one bar. Every value is finite.
type Row [Columns]float64

// Anchors are the horizons that direct models are fitted at. Between two of them an
// answer is interpolated, see Between.
var Anchors = [...]int{1, 5, 20}
