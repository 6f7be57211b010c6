"""Writes the network of this folder, and what PyTorch answers with it.

    apt-get install python3-torch python3-sklearn
    /usr/bin/python3 testdata/network/make.py

Written with Python 3.11.2, torch 1.13.1, scikit-learn 1.2.1, numpy 1.24.2 and joblib 1.2.0
(Debian 12).

The network is not trained. Through ten layers a network that learns little answers the same to
everything, and a test could not tell it from a constant. Its weights are drawn instead, wide
enough that each of the seven prices moves the answer; check_moves makes sure of it. So the
weights do not depend on how a processor rounds, either: the same versions draw them again bit
for bit. The scalers and the answers may differ by rounding from one processor to another.
"""
import json
import pathlib

import joblib
import numpy
import torch
from sklearn.preprocessing import StandardScaler

SEED = 5  # the first whose network passes the checks below
LOOKBACK, UNITS, LAYERS = 7, 10, 10
EXAMPLE = [120, 121.4, 126.9, 128.0, 127.8, 129.1, 130.1]

here = pathlib.Path(__file__).parent
torch.set_num_threads(1)


class PriceNetwork(torch.nn.Module):
    """Stacked LSTM layers; a linear head turns the last hidden row into the answer."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(1, UNITS, LAYERS, batch_first=True)
        self.fc = torch.nn.Linear(UNITS, 1)

    def forward(self, x):
        rows, _ = self.lstm(x)
        return self.fc(rows[:, -1])


def draw_network(rng):
    """A network whose layers pass on what the layer below says."""
    net = PriceNetwork().eval()
    spread = {"lstm.weight_ih": 4 / UNITS**0.5, "lstm.weight_hh": 1 / UNITS**0.5, "lstm.bias": 0.2, "fc.weight": 1, "fc.bias": 0.1}
    with torch.no_grad():
        for name, p in net.named_parameters():
            width = 4 if name == "lstm.weight_ih_l0" else next(w for start, w in spread.items() if name.startswith(start))
            p.copy_(torch.from_numpy(rng.normal(0, width, tuple(p.shape))))
    return net


def draw_walks(rng, n, levels):
    """n windows, each a random walk of its own volatility from a level of its own."""
    level = numpy.exp(rng.uniform(*numpy.log(levels), (n, 1)))
    volatility = numpy.exp(rng.uniform(numpy.log(0.001), numpy.log(0.08), (n, 1)))
    steps = volatility * rng.normal(0, 1, (n, LOOKBACK + 1))
    return numpy.round(level * numpy.exp(steps.cumsum(axis=1)), 4)


def answer(net, x_scaler, y_scaler, prices, kind=torch.float32):
    """What the network says to prices, in their unit, in a type of number."""
    with torch.no_grad():
        scaled = torch.tensor(x_scaler.transform([prices]), dtype=kind).unsqueeze(-1)
        return float(y_scaler.inverse_transform(net(scaled).double().numpy())[0][0])


def make_cases(rng):
    """Windows of prices, odd ones first."""
    windows = [[1.1, 2.2, 3.3, 4.4, 5.5, 6.6, 7.7], EXAMPLE, EXAMPLE[:6] + [70]]
    windows += [[level] * LOOKBACK for level in (1e-300, 1e-9, 1e-6, 0.5, 1, 5, 50, 100, 120, 180, 500, 5000, 1e6, 1e12)]
    windows += [[1, 1000] * 3 + [1], [1000, 1] * 3 + [1000], [1e-9, 1e9] * 3 + [1e-9], [100, 101] * 3 + [100]]
    # One price that stands out, at each place; the same prices in another order.
    windows += [[100.0] * i + [value] + [100.0] * (LOOKBACK - 1 - i) for value in (60, 140) for i in range(LOOKBACK)]
    windows += [EXAMPLE[i:] + EXAMPLE[:i] for i in range(1, LOOKBACK)] + [EXAMPLE[::-1]]
    windows += draw_walks(rng, 40, (1, 5000))[:, :LOOKBACK].tolist() + draw_walks(rng, 40, (40, 250))[:, :LOOKBACK].tolist()
    return windows


def check_moves(ask):
    """Each price must move the answer by far more than the tolerance of the tests."""
    for i in range(LOOKBACK):
        moved = list(EXAMPLE)
        moved[i] *= 1.01
        ratio = abs(ask(moved) / ask(EXAMPLE) - 1)
        assert ratio > 1e-3, f"price {i + 1} moves the answer by {ratio:.1g} only"


def main():
    rng = numpy.random.default_rng(SEED)
    net = draw_network(rng)
    walks = draw_walks(rng, 2000, (40, 250))
    x_scaler = StandardScaler().fit(walks[:, :LOOKBACK])
    y_scaler = StandardScaler().fit(walks[:, LOOKBACK:])
    windows = make_cases(rng)

    def ask(prices):
        return answer(net, x_scaler, y_scaler, prices)

    check_moves(ask)
    cases = [{"prices": w, "result": ask(w)} for w in windows]
    worst = 0.0
    exact = PriceNetwork().eval().double()
    exact.load_state_dict({name: v.double() for name, v in net.state_dict().items()})
    for c in cases:
        assert c["result"] > 0, c
        worst = max(worst, abs(answer(exact, x_scaler, y_scaler, c["prices"], torch.float64) / c["result"] - 1))
    assert worst < 2e-6, f"float32 and float64 differ by {worst:.1g}: too near to the tolerance of the tests"

    torch.save(net.state_dict(), here / "lstm_model.pth")
    hyper = {"input_size": 1, "hidden_size": UNITS, "num_stacked_layers": LAYERS}
    (here / "lstm_model_hyper_param.json").write_text(json.dumps(hyper, indent=4))
    joblib.dump(x_scaler, here / "X_scaler.pkl", protocol=3)
    joblib.dump(y_scaler, here / "y_scaler.pkl", protocol=3)

    def plain(v):  # the shortest decimal that is the same float32
        return [plain(w) for w in v] if isinstance(v, numpy.ndarray) else float(str(v))

    def scaler(s):
        return {"mean": s.mean_.tolist(), "scale": s.scale_.tolist()}

    weights = {name: plain(v.numpy()) for name, v in net.state_dict().items()}
    model = {"hyper_parameters": hyper, "state_dict": weights, "x_scaler": scaler(x_scaler), "y_scaler": scaler(y_scaler)}
    (here / "model.json").write_text(json.dumps(model, separators=(",", ":")) + "\n")
    lines = ",\n".join(json.dumps(c) for c in cases)
    (here / "golden.json").write_text(f'{{"torch": "{torch.__version__}", "cases": [\n{lines}\n]}}\n')
    print(f"{len(cases)} cases; float32 and float64 differ by {worst:.2g} at most; {EXAMPLE} gives {ask(EXAMPLE)}")


main()
