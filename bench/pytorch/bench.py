"""What PyTorch takes for what Foretick's networks do: BenchmarkOriginal, BenchmarkForward and
BenchmarkTrainingStep of package forecast/neural, in the same shapes.

    python3 bench/pytorch/bench.py testdata/network

The folder is that of a price network and its answers; the original's has the same files. It prints Go benchmark lines, so that benchstat can compare them.
The first number of threads is that of the forward passes and of "one"; the training step runs on one
and on two. Written for python3-torch 1.13.1 of Debian 12.
"""
import json
import sys
import time

import torch

folder = sys.argv[1]


class PriceNetwork(torch.nn.Module):
    """A network like the original service's: the head reads the last hidden row."""

    def __init__(self, inputs, hidden, layers):
        super().__init__()
        self.lstm = torch.nn.LSTM(inputs, hidden, layers, batch_first=True)
        self.fc = torch.nn.Linear(hidden, 1)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1, :])


class Net(torch.nn.Module):
    """Two layers of 32 units over 8 inputs, location and log scale of five horizons."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(8, 32, 2)
        self.head = torch.nn.Linear(32, 10)
        self.theta = torch.nn.Parameter(torch.full((5,), 2.0))

    def forward(self, x):
        return self.head(self.lstm(x)[0])


def clock(name, f, least=2.0):
    """Prints the best of three means over about `least` seconds each."""
    for _ in range(3):
        f()
    best, n = float("inf"), 0
    for _ in range(3):
        n, began = 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < least / 3:
            f()
            n += 1
        best = min(best, spent / n)
    print(f"Benchmark{name}\t{n}\t{best * 1e9:.0f} ns/op", flush=True)


def main():
    torch.set_num_threads(1)
    hyper = json.load(open(folder + "/lstm_model_hyper_param.json"))
    model = PriceNetwork(hyper["input_size"], hyper["hidden_size"], hyper["num_stacked_layers"])
    model.load_state_dict(torch.load(folder + "/lstm_model.pth"))
    model.eval()
    case = json.load(open(folder + "/golden.json"))["cases"][1]
    scalers = json.load(open(folder + "/model.json"))
    mean, scale = (torch.tensor(scalers["x_scaler"][k], dtype=torch.float64) for k in ("mean", "scale"))
    ymean, yscale = scalers["y_scaler"]["mean"][0], scalers["y_scaler"]["scale"][0]

    def predict():
        with torch.no_grad():
            x = ((torch.tensor(case["prices"], dtype=torch.float64) - mean) / scale).float().view(1, -1, 1)
            return model(x).item() * yscale + ymean

    assert abs(predict() / case["result"] - 1) < 1e-5, (predict(), case["result"])
    clock("Original/pytorch", predict)

    net = Net().eval()
    window = torch.randn(64, 1, 8)

    def forward():
        with torch.no_grad():
            return net(window)[-1]

    clock("Forward/pytorch", forward)

    for threads, name in ((1, "one_goroutine"), (2, "two")):
        torch.set_num_threads(threads)
        net = Net()
        opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.01)
        x, y = torch.randn(64, 64, 8), torch.randn(40, 64, 5)

        def step():
            opt.zero_grad()
            out = net(x)[24:].view(40, 64, 5, 2)
            nu = 2.1 + torch.nn.functional.softplus(net.theta)
            loss = -torch.distributions.StudentT(nu, out[..., 0], out[..., 1].exp(), validate_args=False).log_prob(y).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()

        clock(f"TrainingStep/{name}/pytorch", step, 4.0)


main()
