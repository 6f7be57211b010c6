package market

import "fmt"

// ActionKind is the kind of a corporate action.
type ActionKind string

// The kinds of corporate action that change what a price means.
const (
	Split    ActionKind = "split"
	Dividend ActionKind = "dividend"
)

// Action is a corporate action of an instrument. Bars are stored as they were traded; what
// an action does to them is computed when it is asked for, never written back.
type Action struct {
	Ex   Time       `json:"ex"` // start of the first trading day that is affected
	Kind ActionKind `json:"kind"`
	// Ratio, of a split, is new shares for an old one: 20 for 20 for 1, 0.1 for 1 for 10.
	Ratio float64 `json:"ratio,omitempty"`
	// Amount, of a dividend, is money a share, before tax.
	Amount float64 `json:"amount,omitempty"`
	Source string  `json:"source,omitempty"` // venue or file
}

// Validate reports what is wrong with a.
func (a Action) Validate() error {
	switch {
	case a.Kind == Split && !(a.Ratio > 0 && a.Ratio <= 1e6):
		return fmt.Errorf("market: a split of %v new shares for an old one; need more than 0, at most 1e6", a.Ratio)
	case a.Kind == Dividend && !(a.Amount > 0 && a.Amount <= 1e12):
		return fmt.Errorf("market: a dividend of %v; need more than 0, at most 1e12", a.Amount)
	case a.Kind != Split && a.Kind != Dividend:
		return fmt.Errorf("market: an action of kind %.20q; choose split or dividend", a.Kind)
	}
	return checkTime(a.Ex)
}
