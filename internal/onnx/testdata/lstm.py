"""Writes lstm.onnx, a PyTorch network as Foretick asks it, and lstm.json, what PyTorch
itself answers. Made with PyTorch 1.13.1: python3 lstm.py FOLDER
"""

import json
import sys

import torch

torch.manual_seed(1)


class Net(torch.nn.Module):
    """An LSTM over 8 bars of 5 inputs; 23 quantiles 1 and 2 bars ahead, which cannot cross."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(5, 6, batch_first=True)
        self.head = torch.nn.Linear(6, 2 * 23)

    def forward(self, x):
        out, _ = self.lstm(x)
        y = self.head(out[:, -1]).reshape(-1, 2, 23)
        steps = torch.nn.functional.softplus(y[:, :, 1:])
        return torch.cat([y[:, :, :1] - 4, y[:, :, :1] - 4 + torch.cumsum(steps, 2) / 2], 2)


net = Net().eval()
x = torch.randn(1, 8, 5)
folder = sys.argv[1]
torch.onnx.export(net, x, folder + "/lstm.onnx", input_names=["bars"], output_names=["quantiles"],
                  dynamic_axes={"bars": {0: "batch"}, "quantiles": {0: "batch"}}, opset_version=14)
with torch.no_grad():
    json.dump({"in": x.flatten().tolist(), "out": net(x).flatten().tolist()}, open(folder + "/lstm.json", "w"), indent=0)
