package forecast

import (
	"math"

	"github.com/foretick/foretick/market"
)

// Break is a place in a series where what came before is in another unit: a share was
// split, and a price is not comparable with those before it. Models work on returns, and
// the return across it is none. So a [Window] shows the earlier bars in the unit of the
// newest: multiplied by Factor, the new price of what cost 1 before. A break at which nobody
// said what the factor is has the one that makes the bar open where the one before it closed:
// what the price did in between is then not known, and not learnt.
//
// That is a view for models. What is stored, shown and judged is the price as traded.
type Break struct {
	Start  market.Time // of the first bar in the new unit
	Factor float64     // positive and finite
}

// Splice returns bars, oldest first, in the unit of the last of them. breaks ascend by
// Start. Where none of them lies among the bars it returns bars; otherwise a copy in dst,
// which is reused when it has room. The volume is divided by the factor.
//
// The same bars and breaks give the same bits, however many of either come before.
func Splice(dst, bars []market.Bar, breaks []Break) []market.Bar {
	if len(bars) == 0 {
		return bars
	}
	first, last := bars[0].Start, bars[len(bars)-1].Start
	for len(breaks) > 0 && breaks[0].Start <= first {
		breaks = breaks[1:]
	}
	for len(breaks) > 0 && breaks[len(breaks)-1].Start > last {
		breaks = breaks[:len(breaks)-1]
	}
	if len(breaks) == 0 {
		return bars
	}
	dst = append(dst[:0], bars...)
	for i := range dst {
		b := &dst[i]
		for k := range breaks {
			if f := breaks[k].Factor; breaks[k].Start > b.Start {
				b.Open *= f
				b.High *= f
				b.Low *= f
				b.Close *= f
				b.Volume /= f
			}
		}
	}
	return dst
}

// WithBreak returns w, whose newest bar is the first after a break of the given factor:
// the bars before it are shown multiplied by it.
func (w Window) WithBreak(factor float64) Window {
	w.factor = factor
	return w
}

// Break is what a State has to multiply prices by that it has kept from the windows
// before, so that they are in the unit of this one; 1 nearly always.
func (w Window) Break() float64 {
	if w.factor == 0 {
		return 1
	}
	return w.factor
}

// maxBreaks bounds the breaks that are read back.
const maxBreaks = 1 << 16

// PersistBreaks carries breaks to and from a.
func PersistBreaks(a *Archive, breaks *[]Break) {
	n := len(*breaks)
	a.Int(&n)
	if a.Reading() {
		if n < 0 || n > maxBreaks {
			a.Fail("%d breaks", n)
			return
		}
		*breaks = make([]Break, n)
	}
	for i := range *breaks {
		b := &(*breaks)[i]
		start := uint64(b.Start)
		a.Uint(&start)
		a.Float(&b.Factor)
		b.Start = market.Time(start)
		if a.Reading() && a.err == nil && !(b.Factor > 0 && b.Factor <= math.MaxFloat64 && (i == 0 || (*breaks)[i-1].Start < b.Start)) {
			a.Fail("a break of %v at %s", b.Factor, b.Start)
		}
	}
}
