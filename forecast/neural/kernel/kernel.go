// Package kernel holds the few loops in which a recurrent network spends its time, in
// float32: a matrix product, the gates of an LSTM and of a GRU with their derivatives, and
// the step of an optimiser.
//
// Every loop has one meaning and several implementations. [Plain] is Go that can be read
// and runs anywhere; the others are assembly for one instruction set, AVX2 with FMA and
// AVX-512, that internal/gen writes. [Best] names the fastest that the processor can run,
// [All] every one that it can. Those in assembly give the same bits as each other. Plain
// rounds each product before adding it, and computes the exponential in float64, so it
// differs in the last bits. Each gives the same bits for the same input.
//
// In assembly the sigmoid is off by at most 2.45 units in the last place and the
// hyperbolic tangent by 1.38 (every float of 2^-27 <= |x| < 104 was compared); but for
// x < -87.33, where the sigmoid would leave the normal numbers, it stays at 1.2e-38. Both
// keep their relative precision where they go to 0, reach 1 at the ends and leave NaN
// alone.
//
// Shapes: a matrix is stored by rows. Rows that are read or written as a whole are padded
// to a multiple of [Lanes] floats, so that no implementation has a tail to treat; what is
// in the padding must be finite, and stays without effect when the weights there are 0.
package kernel

// Lanes is the multiple to which rows are padded: the floats of the widest vector.
const Lanes = 16

// Pad is n rounded up to a multiple of Lanes.
func Pad(n int) int { return (n + Lanes - 1) / Lanes * Lanes }

// Set is one implementation of every loop. Slices may be longer than what is used of
// them; shorter ones panic. No two slices that are written and read by one call overlap,
// unless it says so.
type Set struct {
	Name string // "plain", "avx2", "avx512"

	// Gemm adds the product of A (m x k) and B (k x n) to C (m x n). Element (i, p) of A is
	// a[i*rs+p*cs], so that A may be a transposed matrix; row p of B begins at b[p*ldb],
	// row i of C at c[i*ldc]. n, ldb and ldc are multiples of Lanes. m or k may be 0. An
	// element of C is one chain of additions, the p in their order, that begins with what
	// was there: its bits depend on its row of A and its column of B only, whatever m and
	// n. So a window alone and the same one in a batch have the same answer.
	Gemm func(m, n, k int, a []float32, rs, cs int, b []float32, ldb int, c []float32, ldc int)

	// LSTM computes the gates of rows cells of width units (a multiple of Lanes). z has
	// four blocks of width a row, the sums that go into gates i, f, g and o; it becomes
	// their values: sigmoid(z) of i, f and o, tanh(z) of g. cell is the cell before, a row
	// of width floats, and
	//
	//	next = f cell + i g,  squash = tanh(next),  hidden = o squash.
	//
	// next may be cell, squash may be hidden.
	LSTM func(rows, width int, z, cell, next, squash, hidden []float32)

	// Steps runs a layer of LSTM over the steps of one window, when only its hidden rows are
	// wanted. A row of z is what the inputs and the bias of a step give to the sums, as for
	// LSTM; wh has units rows of four blocks, what the hidden row before adds to them; cell
	// is one row, the cell before and after. Row t of hidden is that of
	//
	//	z_t += hidden_(t-1) wh (from the second step on),  LSTM(z_t, cell)
	//
	// and has the same bits as Gemm and LSTM give. What is left in z is of no meaning.
	// units is at most width.
	Steps func(steps, units, width int, z, wh, cell, hidden []float32)

	// LSTMBack takes back a step of LSTM. gates is what z became, cell and squash what
	// they were; dhidden is the derivative of the loss by hidden, dnext that by next as
	// far as it comes from the step after. It writes the derivatives by the sums to dz (four
	// blocks a row; may be gates) and that by cell to dnext in place:
	//
	//	dc = dnext + dhidden o (1 - squash²)
	//	dz = (dc g i(1-i),  dc cell f(1-f),  dc i (1-g²),  dhidden squash o(1-o)),  dnext = dc f
	LSTMBack func(rows, width int, gates, cell, squash, dhidden, dnext, dz []float32)

	// GRU computes the gates of rows units of width. zx and zh have three blocks of width
	// a row, what input and hidden state (each with its bias) give to r, z and n. zx becomes
	// the gates
	//
	//	r = sigmoid(zx + zh),  z = sigmoid(zx + zh),  n = tanh(zx + r zh)
	//
	// and next = (1-z) n + z hidden. next may be hidden.
	GRU func(rows, width int, zx, zh, hidden, next []float32)

	// GRUBack takes back a step of GRU. gates is what zx became, zh and hidden what they
	// were, dnext the derivative by next. It writes the derivatives by the sums to dzx (may be gates) and
	// dzh (three blocks a row) and to dnext, in place, the part of that by hidden that does
	// not go through zh: dnext z.
	GRUBack func(rows, width int, gates, zh, hidden, dnext, dzx, dzh []float32)

	// Adam is one step of Adam with decoupled weight decay (see [Adam]) on w with the
	// gradient g, m and v being the moments. len(w) need not be a multiple of Lanes.
	Adam func(p Adam, w, g, m, v []float32)
}

// Adam are the numbers of one step of the optimiser of Kingma & Ba (2015), "Adam: a
// method for stochastic optimization", with the decay of Loshchilov & Hutter (2019),
// "Decoupled weight decay regularization":
//
//	m = Beta1 m + (1-Beta1) g,  v = Beta2 v + (1-Beta2) g²
//	w = w Keep - Rate m / (sqrt(v) Root + Epsilon)
type Adam struct {
	Beta1, Beta2 float32
	Keep         float32 // 1 - learning rate x weight decay
	Rate         float32 // learning rate / (1 - Beta1^t)
	Root         float32 // 1 / sqrt(1 - Beta2^t)
	Epsilon      float32
}
