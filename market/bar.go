package market

import (
	"fmt"
	"math"
)

// Tick is one trade.
type Tick struct {
	Time  Time
	Price float64
	Size  float64 // in units of the instrument; 0 where the venue gives none
	Seq   uint64  // the venue's own number, 0 where it gives none
}

// Validate reports why t cannot be used: a price or size that is not a finite
// number, a negative size, or a price of zero or less where the instrument does
// not allow it.
func (t Tick) Validate(allowNonPositive bool) error {
	if err := checkPrice("price", t.Price, allowNonPositive); err != nil {
		return err
	}
	if math.IsNaN(t.Size) || math.IsInf(t.Size, 0) || t.Size < 0 {
		return fmt.Errorf("market: size %v is not a finite number of at least 0", t.Size)
	}
	return checkTime(t.Time)
}

// Bar is what happened to a price over [Start, End). An absent bar (nobody traded)
// is absent: it is never invented.
type Bar struct {
	Start  Time    `json:"start"`
	End    Time    `json:"end"`
	Open   float64 `json:"open"`
	High   float64 `json:"high"`
	Low    float64 `json:"low"`
	Close  float64 `json:"close"`
	Volume float64 `json:"volume"`
	// Trades counts the ticks in the bar, 0 where the source did not say.
	Trades int64 `json:"trades"`
	// Revision is 0 for the bar as it first became final and grows by one each
	// time that late data changed it.
	Revision int `json:"revision"`
}

// Span returns [Start, End).
func (b Bar) Span() Span { return Span{b.Start, b.End} }

// Validate reports why b cannot be used: values that are not finite, prices of
// zero or less where the instrument does not allow them, a high below the low or
// an open or close outside them, a negative volume, an end not after its start.
func (b Bar) Validate(allowNonPositive bool) error {
	for _, p := range [...]struct {
		name  string
		value float64
	}{{"open", b.Open}, {"high", b.High}, {"low", b.Low}, {"close", b.Close}} {
		if err := checkPrice(p.name, p.value, allowNonPositive); err != nil {
			return err
		}
	}
	switch {
	case b.High < b.Low:
		return fmt.Errorf("market: high %v is below low %v", b.High, b.Low)
	case b.Open < b.Low || b.Open > b.High:
		return fmt.Errorf("market: open %v is outside low %v to high %v", b.Open, b.Low, b.High)
	case b.Close < b.Low || b.Close > b.High:
		return fmt.Errorf("market: close %v is outside low %v to high %v", b.Close, b.Low, b.High)
	case math.IsNaN(b.Volume) || math.IsInf(b.Volume, 0) || b.Volume < 0:
		return fmt.Errorf("market: volume %v is not a finite number of at least 0", b.Volume)
	case b.End <= b.Start:
		return fmt.Errorf("market: the bar ends at %s, not after its start %s", b.End, b.Start)
	}
	if err := checkTime(b.Start); err != nil {
		return err
	}
	return checkTime(b.End)
}

func checkPrice(name string, p float64, allowNonPositive bool) error {
	if math.IsNaN(p) || math.IsInf(p, 0) {
		return fmt.Errorf("market: %s %v is not a finite number", name, p)
	}
	if p <= 0 && !allowNonPositive {
		return fmt.Errorf("market: %s %v is not positive", name, p)
	}
	return nil
}

func checkTime(t Time) error {
	if t < MinTime || t > MaxTime {
		return fmt.Errorf("market: time %d microseconds is outside the years 1 to 9999", int64(t))
	}
	return nil
}
