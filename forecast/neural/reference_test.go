package neural

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast/neural/kernel"
)

// The same network on the same data loses as much at every step as with PyTorch 1.13.1:
// testdata/reference.py holds the whole of it, version and command. It ends after 120 steps:
// some 50 later the implementations differ among themselves, for errors of rounding grow as
// the networks begin to fit every point.
func TestTrainingIsPyTorchs(t *testing.T) {
	t.Parallel()
	const steps, batch, warm = 12, 5, 4
	var file struct {
		Cases []struct {
			Cell                  Cell
			Inputs, Units, Layers int
			Losses                []float64
			Nu                    float64
		}
	}
	b, err := os.ReadFile("testdata/reference.json")
	if err == nil {
		err = json.Unmarshal(b, &file)
	}
	if err != nil || len(file.Cases) != 3 {
		t.Fatal(err, len(file.Cases))
	}
	for _, c := range file.Cases {
		var inputs [steps][batch][]float32
		var targets [steps][batch]float64
		for k := range steps {
			for b := range batch {
				for j := range c.Inputs {
					inputs[k][b] = append(inputs[k][b], float32(math.Sin(0.3*float64(k+1)*float64(j+1)+float64(b))))
				}
				targets[k][b] = math.Cos(0.5*float64(k)+1.3*float64(b)) * float64(1+b)
			}
		}
		for _, loops := range kernel.All() {
			s := Shape{c.Cell, c.Inputs, c.Units, c.Layers, 2}
			tensors := newNetwork(s).Tensors()
			for k, name := range slices.Sorted(maps.Keys(tensors)) {
				for i := range tensors[name].Data {
					tensors[name].Data[i] = float32(0.4 * math.Sin(1.7*float64(i)+0.9*float64(k)))
				}
			}
			net, err := FromTensors(s, tensors)
			if err != nil {
				t.Fatal(err)
			}
			net.loops = loops
			o := Options{Decay: 0.05, Clip: 0.5}
			l := learner{net: net, m: make([]float32, len(net.params)), v: make([]float32, len(net.params))}
			l.theta[0] = 2
			p := NewPass(s, steps, batch)
			grad := make([]float32, len(net.params))
			var turned transposed
			worst, nu := 0.0, 0.0
			for _, want := range c.Losses {
				for k := range steps {
					for b := range batch {
						copy(p.Input(k, b), inputs[k][b])
					}
				}
				net.Forward(p, warm)
				tails := l.tails()
				nu = tails[0].nu
				sum, n := 0.0, 0
				var theta [len(anchors)]float64
				for k := warm; k < steps; k++ {
					for b := range batch {
						y := targets[k][b]
						out, d := p.Output(k, b), p.dOutput(k, b)
						loss, dm, dl, dnu := tails[0].loss(y, float64(out[0]), float64(out[1]))
						d[0], d[1] = float32(dm), float32(dl)
						theta[0] += dnu * tails[0].dTheta
						sum += loss
						n++
					}
				}
				worst = max(worst, math.Abs(sum/float64(n)-want))
				clear(grad)
				net.transpose(&turned)
				net.backward(p, warm, &turned, grad)
				l.update(grad, theta, 1/float64(n), 0.002, &o)
			}
			t.Logf("%s %v: loss %.4f to %.4f, differs by at most %.1g", loops.Name, s, c.Losses[0], c.Losses[len(c.Losses)-1], worst)
			if !(worst < 5e-5) || !(math.Abs(nu-c.Nu) < 1e-5) {
				t.Errorf("%s %v: losses differ by up to %v, degrees of freedom end at %v, PyTorch's at %v", loops.Name, s, worst, nu, c.Nu)
			}
		}
	}
}
