// Package neural holds small recurrent networks: the price model that the original
// service ran, answered to the last digits, and networks that learn the distribution of
// returns from many series.
//
// # The networks
//
// A [Network] reads a sequence of rows x(1) ... x(T) and carries a hidden state h from row
// to row. A layer of the LSTM (Hochreiter & Schmidhuber 1997, "Long short-term memory";
// with the forget gate of Gers, Schmidhuber & Cummins 2000) keeps a cell c beside it:
//
//	i = sigmoid(Wi x + bi + Ui h + di)      how much is let in
//	f = sigmoid(Wf x + bf + Uf h + df)      how much is kept
//	g =    tanh(Wg x + bg + Ug h + dg)      what is let in
//	o = sigmoid(Wo x + bo + Uo h + do)      how much is shown
//	c' = f c + i g,   h' = o tanh(c')
//
// A layer of the GRU (Cho et al. 2014, "Learning phrase representations using RNN
// encoder-decoder", in the form of PyTorch's torch.nn.GRU) does without the cell:
//
//	r = sigmoid(Wr x + br + Ur h + dr)
//	z = sigmoid(Wz x + bz + Uz h + dz)
//	n =    tanh(Wn x + bn + r (Un h + dn))
//	h' = (1 - z) n + z h
//
// h and c begin at 0. The hidden rows of a layer are the input of the next; a linear head
// makes the outputs of the last layer's hidden row, out = V h + e.
//
// With I inputs, H units and G gates (4, 3), PyTorch stores weight_ih as G·H rows of I and
// weight_hh as G·H rows of H, the gates one below the other in the order above, and two
// vectors of biases of G·H. [Network.Tensors] and [FromTensors] speak that layout. Inside
// the matrices are transposed, each gate padded to a multiple of 16 columns, so that a row
// of sums is one run of vector operations (package kernel).
//
// # Learning
//
// [Network] is differentiated by hand, backwards through time (Werbos 1990,
// "Backpropagation through time: what it does and how to do it"). With D for a derivative
// of the loss, a step of the LSTM gives
//
//	Dc  = Dc' + Dh' o (1 - tanh²(c'))
//	Dzi = Dc g i(1-i)    Dzf = Dc c f(1-f)    Dzg = Dc i (1-g²)    Dzo = Dh' tanh(c') o(1-o)
//	Dc (of the step before) = Dc f
//
// for the sums z in front of the gates; then DW = sum over rows of x Dz, DU = sum of h Dz,
// Dx = W' Dz and Dh (of the step before) = U' Dz. The GRU's are in package kernel.
//
// A [Trainer] minimises the negative log likelihood of Student's t by Adam with decoupled
// weight decay, stops early on a later slice of time, and may be stopped and resumed
// between epochs. Its answers do not depend on the number of goroutines.
//
// # Two models
//
// [PriceModel] is the original: seven prices in, the next one out. It works on price
// levels, so it saturates above those that it was trained on, and its weights lean on the
// oldest price of its window. It stands here as the honest starting point.
//
// [Model] forecasts the distribution of the log return 1 to 20 bars ahead from a sequence of
// stationary inputs: see [Samples]. Its parameters come from training elsewhere, so
// its Refit chooses a version and never one that has seen bars after the cutoff.
package neural
