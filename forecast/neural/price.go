package neural

import (
	"errors"
	"fmt"
	"math"
	"sync"
)

// Standard is the scaling of scikit-learn's StandardScaler: column i becomes
// (x - Mean[i]) / Scale[i].
type Standard struct {
	Mean  []float64 `json:"mean"`
	Scale []float64 `json:"scale"`
}

// validate reports a scaling that is not of n columns, or not of numbers.
func (s *Standard) validate(n int) error {
	if len(s.Mean) != n || len(s.Scale) != n {
		return fmt.Errorf("%d means and %d scales, need %d of each", len(s.Mean), len(s.Scale), n)
	}
	for i := range s.Mean {
		if s.Mean[i]-s.Mean[i] != 0 || !(math.Abs(s.Scale[i]) > 0) || s.Scale[i]-s.Scale[i] != 0 {
			return fmt.Errorf("column %d has the mean %v and the scale %v", i+1, s.Mean[i], s.Scale[i])
		}
	}
	return nil
}

// PriceModel is a network that reads a fixed number of prices, oldest first, and gives
// the next price. Position i of the window is scaled with the i-th mean and scale of X,
// the answer with Y: what the original service does. It is immutable and may be used
// from several goroutines at once.
type PriceModel struct {
	net  *Network
	x, y Standard
	room sync.Pool // of *Pass
	id   string
}

// ErrPrices says that a model has no answer for prices; it is wrapped with the reason.
var ErrPrices = errors.New("neural: bad prices")

// maxLookback bounds the prices of a PriceModel.
const maxLookback = 4096

// NewPriceModel returns the model of a network with one input and one output, that reads
// as many prices as x has columns. The error wraps ErrShape.
func NewPriceModel(net *Network, x, y Standard) (*PriceModel, error) {
	s := net.Shape()
	if s.Inputs != 1 || s.Outputs != 1 {
		return nil, fmt.Errorf("%w: a price model has 1 input and 1 output, this network has %d and %d", ErrShape, s.Inputs, s.Outputs)
	}
	if n := len(x.Mean); n < 1 || n > maxLookback {
		return nil, fmt.Errorf("%w: the scaler of the prices has %d columns; need 1 to %d", ErrShape, n, maxLookback)
	}
	if err := x.validate(len(x.Mean)); err != nil {
		return nil, fmt.Errorf("%w: scaler of the prices: %w", ErrShape, err)
	}
	if err := y.validate(1); err != nil {
		return nil, fmt.Errorf("%w: scaler of the answer: %w", ErrShape, err)
	}
	m := &PriceModel{net: net, x: x, y: y}
	m.room.New = func() any { return NewPass(s, len(x.Mean), 1) }
	b, err := m.Describe()
	if err != nil {
		return nil, err
	}
	m.id = identity(b, net.Tensors())
	return m, nil
}

// Shape is that of the network.
func (m *PriceModel) Shape() Shape { return m.net.shape }

// Lookback is the number of prices that Predict takes.
func (m *PriceModel) Lookback() int { return len(m.x.Mean) }

// Predict returns the price that follows prices, oldest first. The error wraps ErrPrices
// where their number is not Lookback, one of them is not a finite number above 0, or the
// network's answer is not.
func (m *PriceModel) Predict(prices []float64) (float64, error) {
	if len(prices) != m.Lookback() {
		return 0, fmt.Errorf("%w: %d given, the model reads %d", ErrPrices, len(prices), m.Lookback())
	}
	p := m.room.Get().(*Pass)
	defer m.room.Put(p)
	for i, v := range prices {
		if !(v > 0) || v > math.MaxFloat64 {
			return 0, fmt.Errorf("%w: price %d is %v; prices are finite numbers above zero", ErrPrices, i+1, v)
		}
		x := float32((v - m.x.Mean[i]) / m.x.Scale[i])
		if x-x != 0 {
			return 0, fmt.Errorf("%w: price %d, %v, is too large for the network", ErrPrices, i+1, v)
		}
		p.Input(i, 0)[0] = x
	}
	m.net.Infer(p, p.steps-1)
	next := float64(p.Output(p.steps-1, 0)[0])*m.y.Scale[0] + m.y.Mean[0]
	if !(next > 0) || next > math.MaxFloat64 {
		return 0, fmt.Errorf("%w: the network answers %v, which is no price", ErrPrices, next)
	}
	return next, nil
}
