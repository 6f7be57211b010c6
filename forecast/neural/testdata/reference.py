"""The reference of TestTrainingIsPyTorchs: the losses of small networks while PyTorch trains them.

Written by /usr/bin/python3 (3.11.2) with python3-torch 1.13.1 of Debian 12:

    python3 forecast/neural/testdata/reference.py > forecast/neural/testdata/reference.json

Weights and data are formulas, so that any program can repeat them. The loss is the mean of the
negative log likelihood of Student's t, with location and log scale from the network and the degrees
of freedom 2.1 + softplus(theta) learnt beside it; one optimiser, AdamW, has both.
"""
import json
import math

import torch

torch.set_num_threads(1)
STEPS, BATCH, WARM, UPDATES = 12, 5, 4, 120
RATE, DECAY, CLIP = 0.002, 0.05, 0.5


def run(cell, inputs, units, layers):
    rnn = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](inputs, units, layers)
    head = torch.nn.Linear(units, 2)
    theta = torch.nn.Parameter(torch.tensor(2.0))
    names = dict(rnn.named_parameters()) | {"head.weight": head.weight, "head.bias": head.bias}
    with torch.no_grad():
        for k, name in enumerate(sorted(names)):
            flat = names[name].view(-1)
            for i in range(flat.numel()):
                flat[i] = 0.4 * math.sin(1.7 * i + 0.9 * k)
    x = torch.tensor([[[math.sin(0.3 * (t + 1) * (j + 1) + b) for j in range(inputs)] for b in range(BATCH)] for t in range(STEPS)])
    y = torch.tensor([[math.cos(0.5 * t + 1.3 * b) * (1 + b) for b in range(BATCH)] for t in range(STEPS)])
    # The degrees of freedom do not decay.
    opt = torch.optim.AdamW([{"params": list(names.values()), "weight_decay": DECAY}, {"params": [theta], "weight_decay": 0}], lr=RATE)
    losses = []
    for _ in range(UPDATES):
        opt.zero_grad()
        hidden, _ = rnn(x)
        out = head(hidden)[WARM:]
        nu = 2.1 + torch.nn.functional.softplus(theta)
        loss = -torch.distributions.StudentT(nu, out[..., 0], out[..., 1].exp()).log_prob(y[WARM:]).mean()
        losses.append(loss.item())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(names.values()) + [theta], CLIP)
        opt.step()
    return {"cell": cell, "inputs": inputs, "units": units, "layers": layers, "losses": losses, "nu": nu.item()}


print(json.dumps({"torch": torch.__version__, "cases": [run("lstm", 3, 7, 2), run("gru", 3, 7, 2), run("lstm", 1, 17, 1)]}))
