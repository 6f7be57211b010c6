package rangevol

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/foretick/foretick/forecast"
)

// grid are the degrees of freedom that are tried.
var grid = [...]float64{2.5, 3, 3.5, 4, 5, 6, 8, 10, 14, 20, 30}

const startNu = 5 // place in grid

const (
	// enough is the step, in typical spreads of the features, after which the search
	// stops: a thousandth moves a forecast of the variance by less than that.
	enough = 1e-3
	// gridEvery is the number of estimations after which degrees of freedom are chosen
	// again.
	gridEvery = 5
)

// regression is the fit of one horizon.
type regression struct {
	horizon int
	y       forecast.Recent // realised returns of the newest pairs, season removed
	gram    [numFeatures * numFeatures]float64
	b       [numFeatures]float64
	nu      int // place in grid
	fits    int // how often it was estimated
	fitted  bool
	free    bool               // no prior pulls
	t       forecast.Quantiles // of the t with of degrees of freedom
	of      float64
}

// add accounts for the pair that is now realised, and for the one that leaves.
func (g *regression) add(x []float64, sign float64) {
	for i := range numFeatures {
		xi := sign * x[i]
		for j := i; j < numFeatures; j++ {
			g.gram[i*numFeatures+j] += float64(xi * x[j])
		}
	}
}

// information is the Fisher information of ln s² in one observation of a t with nu
// degrees of freedom.
func information(nu float64) float64 { return nu / (2 * (nu + 3)) }

// fit maximises the penalised likelihood over pairs (x row i of rows, y[i]) from the
// last estimate on. It reports false when the system is singular.
func (g *regression) fit(rows, y []float64, prior *[numFeatures]float64) bool {
	first := !g.fitted
	if first {
		g.b, g.nu = *prior, startNu
	}
	for range 4 { // degrees of freedom and coefficients in turn
		if !g.scoring(rows, y, prior) {
			return false
		}
		if g.fits%gridEvery != 0 {
			break
		}
		from, to := g.nu-1, g.nu+1
		if first {
			from, to = 0, len(grid)-1
		}
		first = false
		best := g.choose(rows, y, max(from, 0), min(to, len(grid)-1))
		if best == g.nu {
			break
		}
		g.nu = best
	}
	g.fits++
	g.fitted = true
	if nu := grid[g.nu]; nu != g.of {
		g.t, g.of = forecast.StudentT(nu), nu
	}
	return true
}

// gradient adds up the score of the likelihood at b.
//
//go:norace
func gradient(rows, y []float64, b *[numFeatures]float64, nu float64) (s [numFeatures]float64) {
	half := 0.5 * (nu + 1)
	for i, yi := range y {
		x := rows[i*numFeatures : i*numFeatures+numFeatures : i*numFeatures+numFeatures]
		z2 := float64(yi*yi) * math.Exp(-dot(x, b))
		c := half*z2/(nu-2+z2) - 0.5
		if z2 > math.MaxFloat64 {
			c = half - 0.5
		}
		for j := range s {
			s[j] += float64(c * x[j])
		}
	}
	return s
}

// scoring improves b by Fisher scoring.
func (g *regression) scoring(rows, y []float64, prior *[numFeatures]float64) bool {
	nu := grid[g.nu]
	info := information(nu)
	n := float64(len(y))
	var penalty [numFeatures]float64
	for j := range penalty {
		penalty[j] = 500 * info * spreads[j] * spreads[j]
		if g.horizon > 1 {
			penalty[j] *= math.Sqrt(float64(g.horizon))
		}
	}
	penalty[0] = 1e-3*n*info + 2
	if g.free {
		penalty = [numFeatures]float64{}
		for j := range penalty {
			penalty[j] = 1e-6 * n
		}
	}
	a := mat.NewSymDense(numFeatures, nil)
	for i := range numFeatures {
		for j := i; j < numFeatures; j++ {
			v := info * g.gram[i*numFeatures+j]
			if i == j {
				v += penalty[i]
			}
			a.SetSym(i, j, v)
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(a) {
		return false
	}
	b := g.b
	for range 30 {
		s := gradient(rows, y, &b, nu)
		for j := range s {
			s[j] -= float64(penalty[j] * (b[j] - prior[j]))
		}
		var step mat.VecDense
		if err := chol.SolveVecTo(&step, mat.NewVecDense(numFeatures, s[:])); err != nil {
			return false
		}
		most := 0.0
		for j := range b {
			d := step.AtVec(j)
			b[j] += d
			most = math.Max(most, math.Abs(d)*spreads[j])
		}
		if !(most < 1e6) {
			return false
		}
		if most < enough {
			break
		}
	}
	g.b = b
	return true
}

//go:norace
func dot(x []float64, b *[numFeatures]float64) float64 {
	_ = x[numFeatures-1]
	return (x[0]*b[0] + x[1]*b[1] + x[2]*b[2] + x[3]*b[3]) + (x[4]*b[4] + x[5]*b[5] + x[6]*b[6] + x[7]*b[7]) +
		(x[8]*b[8] + x[9]*b[9] + x[10]*b[10])
}

// choose is the place in grid, from from to to, with the greatest likelihood at b.
//
//go:norace
func (g *regression) choose(rows, y []float64, from, to int) int {
	var sums, products [len(grid)]float64
	for k := from; k <= to; k++ {
		products[k] = 1
	}
	for i, yi := range y {
		z2 := float64(yi*yi) * math.Exp(-dot(rows[i*numFeatures:], &g.b))
		for k := from; k <= to; k++ {
			products[k] *= 1 + z2/(grid[k]-2)
			if i%8 == 7 {
				sums[k] += math.Log(products[k])
				products[k] = 1
			}
		}
	}
	best, most := g.nu, math.Inf(-1)
	for k := from; k <= to; k++ {
		nu := grid[k]
		a, _ := math.Lgamma((nu + 1) / 2)
		b, _ := math.Lgamma(nu / 2)
		l := float64(len(y))*(a-b-0.5*math.Log(nu-2)) - (nu+1)/2*(sums[k]+math.Log(products[k]))
		if l > most {
			best, most = k, l
		}
	}
	return best
}

func (g *regression) persist(a *forecast.Archive) {
	g.y.Persist(a)
	a.Array(g.gram[:])
	a.Array(g.b[:])
	a.Int(&g.nu)
	a.Int(&g.fits)
	a.Bool(&g.fitted)
	if a.Reading() && g.fitted {
		g.nu = min(max(g.nu, 0), len(grid)-1)
		g.of = grid[g.nu]
		g.t = forecast.StudentT(g.of)
	}
}
