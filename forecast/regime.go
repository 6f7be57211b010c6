package forecast

import "fmt"

// Regime says how volatile a market is by its own recent standards: the tercile of
// its volatility among that of the bars before.
type Regime uint8

// The regimes.
const (
	UnknownRegime Regime = iota // too few bars to compare with
	LowVolatility
	MiddleVolatility
	HighVolatility
)

var regimeNames = [...]string{"unknown", "low", "middle", "high"}

// String is the regime's name: unknown, low, middle or high.
func (r Regime) String() string {
	if int(r) < len(regimeNames) {
		return regimeNames[r]
	}
	return fmt.Sprintf("regime(%d)", uint8(r))
}

// MarshalText writes the regime's name.
func (r Regime) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a regime's name.
func (r *Regime) UnmarshalText(b []byte) error {
	for i, n := range regimeNames {
		if n == string(b) {
			*r = Regime(i)
			return nil
		}
	}
	return fmt.Errorf("forecast: unknown volatility regime %.20q", b)
}
