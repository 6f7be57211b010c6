"""The original prediction service, written again for comparison: FastAPI that loads the network and
both scalers from disk for every request, as the original did.

    NETWORK=testdata/network uvicorn --app-dir bench/predict --workers 4 service:app

Written for python3-fastapi 0.92, python3-uvicorn 0.17 (with uvloop and httptools), python3-sklearn 1.2 and python3-torch 1.13.1 of
Debian 12.
"""
import json
import os
import warnings
from typing import List

import joblib
import torch
from fastapi import FastAPI
from pydantic import BaseModel

warnings.filterwarnings("ignore")  # the scalers were saved by another scikit-learn
folder = os.environ["NETWORK"]
app = FastAPI()


class Network(torch.nn.Module):
    """Stacked LSTM; the head reads the last hidden row."""

    def __init__(self, inputs, hidden, layers):
        super().__init__()
        self.lstm = torch.nn.LSTM(inputs, hidden, layers, batch_first=True)
        self.fc = torch.nn.Linear(hidden, 1)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][:, -1, :])


class Question(BaseModel):
    prices: List[float]


@app.get("/healthz")
def healthz():
    return {}


@app.post("/predict_next_price")
def predict_next_price(q: Question):
    if len(q.prices) != 7:
        return {"error": "7 lookback prices are required."}
    with open(folder + "/lstm_model_hyper_param.json") as f:
        h = json.load(f)
    net = Network(h["input_size"], h["hidden_size"], h["num_stacked_layers"])
    state = torch.load(folder + "/lstm_model.pth")
    net.load_state_dict(dict(zip(net.state_dict(), state.values())))
    net.eval()
    x, y = joblib.load(folder + "/X_scaler.pkl"), joblib.load(folder + "/y_scaler.pkl")
    with torch.no_grad():
        scaled = torch.tensor(x.transform([q.prices]), dtype=torch.float32).unsqueeze(-1)
        out = y.inverse_transform(net(scaled).numpy())
    return {"result": round(float(out[0][0]), 5)}
