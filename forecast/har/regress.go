package har

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/foretick/foretick/forecast"
)

// regress estimates the forecast over h bars.
func (m *Model) regress(p *past, h int) (d direct, err error) {
	long := m.longest()
	n := len(p.variance) - long - h + 1
	rows := make([][terms]float64, n)
	target := make([]float64, n)
	for i := range rows {
		t := i + long // bars before here are known
		rows[i] = m.row(p.variance[i:t], p.returns[t-1])
		var sum float64
		for _, v := range p.variance[t : t+h] {
			sum += v
		}
		target[i] = math.Log(sum / float64(h))
	}
	if d.coef, err = m.solve(rows, target); err != nil {
		return d, err
	}

	// What the logs leave out.
	var smear float64
	d.lowest, d.most = math.Inf(1), math.Inf(-1)
	for i := range rows {
		fit := dot(&d.coef, &rows[i])
		d.lowest, d.most = min(d.lowest, fit), max(d.most, fit)
		smear += math.Exp(min(target[i]-fit, 20))
	}
	smear /= float64(n)
	d.lowest--
	d.most++

	// The spread of the returns over h bars against it.
	z := make([]float64, n)
	var square float64
	for i := range rows {
		t := i + long - 1
		v := smear * math.Exp(dot(&d.coef, &rows[i])) * (p.factors[t+h] - p.factors[t])
		z[i] = (p.logs[t+h] - p.logs[t]) / math.Sqrt(v)
		square += min(z[i]*z[i], 25)
	}
	square /= float64(n)
	if !(square > 0) || math.IsInf(smear, 0) {
		return d, fmt.Errorf("%w: the price has not moved over %d bars", forecast.ErrDegenerate, h)
	}
	d.scale = smear * square
	for i := range z {
		z[i] /= math.Sqrt(square)
	}
	d.unit = m.Residuals.quantiles(z[max(0, n-m.Newest):])
	return d, nil
}

// solve is least squares by the normal equations, or Huber's regression by iterated
// weights.
func (m *Model) solve(rows [][terms]float64, target []float64) (coef [terms]float64, err error) {
	weights := make([]float64, len(rows))
	for i := range weights {
		weights[i] = 1
	}
	if coef, err = m.weighted(rows, target, weights); err != nil || !m.Robust {
		return coef, err
	}
	size := make([]float64, len(rows))
	for range 20 {
		for i := range rows {
			size[i] = math.Abs(target[i] - dot(&coef, &rows[i]))
		}
		sorted := slices.Clone(size)
		slices.Sort(sorted)
		cut := 1.345 * forecast.Quantile7(sorted, 0.5) / 0.6744897501960817
		for i := range weights {
			weights[i] = 1
			if size[i] > cut {
				weights[i] = cut / size[i]
			}
		}
		before := coef
		if coef, err = m.weighted(rows, target, weights); err != nil {
			return coef, err
		}
		var change float64
		for j := range coef {
			change = max(change, math.Abs(coef[j]-before[j]))
		}
		if change < 1e-9 {
			break
		}
	}
	return coef, nil
}

// weighted is weighted least squares. Columns are centred first, so that prices in
// other units change nothing but the intercept.
func (m *Model) weighted(rows [][terms]float64, target, weights []float64) (coef [terms]float64, err error) {
	const slopes = terms - 1
	var mean [terms]float64
	var meanY, total float64
	for i := range rows {
		total += weights[i]
		meanY += weights[i] * target[i]
		for j := range mean {
			mean[j] += float64(weights[i] * rows[i][j])
		}
	}
	if !(total > 0) {
		return coef, fmt.Errorf("%w: no row has weight", forecast.ErrDegenerate)
	}
	meanY /= total
	for j := range mean {
		mean[j] /= total
	}
	var a [slopes][slopes]float64
	var c [slopes]float64
	for i := range rows {
		var x [slopes]float64
		for j := range x {
			x[j] = rows[i][j+1] - mean[j+1]
		}
		y := target[i] - meanY
		for j := range x {
			wx := weights[i] * x[j]
			c[j] += float64(wx * y)
			for k := range j + 1 {
				a[j][k] += float64(wx * x[k])
			}
		}
	}
	// A column that does not vary (no leverage, equal variances) gets no slope; a
	// ridge of 1e-9 of the diagonal decides between columns that are the same.
	s, rhs := mat.NewSymDense(slopes, nil), mat.NewVecDense(slopes, nil)
	for j := range a {
		for k := range j {
			s.SetSym(j, k, a[j][k])
		}
		s.SetSym(j, j, a[j][j]*(1+1e-9))
		rhs.SetVec(j, c[j])
		if !(a[j][j] > 1e-12*total) {
			for k := range slopes {
				s.SetSym(j, k, 0)
			}
			s.SetSym(j, j, 1)
			rhs.SetVec(j, 0)
		}
	}
	var chol mat.Cholesky
	var b mat.VecDense
	if !chol.Factorize(s) {
		return coef, fmt.Errorf("%w: the regression of the variance is singular", forecast.ErrDegenerate)
	}
	if err := chol.SolveVecTo(&b, rhs); err != nil {
		return coef, fmt.Errorf("%w: the regression of the variance: %v", forecast.ErrDegenerate, err)
	}
	coef[0] = meanY
	for j := range slopes {
		coef[j+1] = b.AtVec(j)
		coef[0] -= float64(coef[j+1] * mean[j+1])
	}
	return coef, nil
}
