"""Writes the files of this folder that tests read, and what they hold, expected.json.

    python3 make.py

Written with Python 3.11, torch 1.13.1 and numpy 1.24.2 (Debian 12). scikit-learn and joblib
are not needed: classes of the same names stand in for StandardScaler and joblib's
NumpyArrayWrapper, so that the pickles name the same types with the same attributes in the
same order. The layout of joblib's arrays (padding, alignment, frames) is that of joblib 1.2.
"""
import collections
import json
import pathlib
import pickle
import sys
import types

import numpy
import torch

here = pathlib.Path(__file__).parent
expected = {}


def module(name):
    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    return sys.modules[name]


def publish(cls, name):
    cls.__module__ = name
    cls.__qualname__ = cls.__name__
    setattr(module(name), cls.__name__, cls)


class StandardScaler:
    def __init__(self, with_mean=True, with_std=True):
        self.with_mean, self.with_std, self.copy = with_mean, with_std, True

    def fit(self, x):
        x = numpy.asarray(x, dtype=numpy.float64)
        self.n_features_in_ = x.shape[1]
        self.n_samples_seen_ = numpy.int64(x.shape[0])
        self.mean_ = x.mean(axis=0)
        self.var_ = x.var(axis=0) if self.with_std else None
        self.scale_ = numpy.sqrt(self.var_) if self.with_std else None
        return self

    def __getstate__(self):
        return dict(self.__dict__, _sklearn_version="1.2.1")


class NumpyArrayWrapper:
    def __init__(self, a):
        self.subclass, self.shape, self.order = type(a), a.shape, "C"
        self.dtype, self.allow_mmap, self.numpy_array_alignment_bytes = a.dtype, True, 16


publish(StandardScaler, "sklearn.preprocessing._data")
publish(NumpyArrayWrapper, "joblib.numpy_pickle")


class Joblib(pickle._Pickler):
    """An array is its wrapper, and then its bytes outside of the pickle's operations."""

    def __init__(self, file, protocol):
        self.file = file
        super().__init__(file, protocol)

    def save(self, obj, save_persistent_id=True):
        if type(obj) is not numpy.ndarray:
            return super().save(obj, save_persistent_id)
        super().save(NumpyArrayWrapper(obj))
        if self.proto >= 4:
            self.framer.commit_frame(force=True)
        padding = 16 - (self.file.tell() + 1) % 16
        self.file.write(bytes([padding]) + b"\xff" * padding + obj.tobytes())


def scaler(name, s, write):
    write(here / (name + ".pkl"))
    n = s.n_features_in_
    expected[name + ".pkl"] = {
        "mean": s.mean_.tolist() if s.with_mean else [0.0] * n,
        "scale": s.scale_.tolist() if s.with_std else [1.0] * n,
    }


def plain(s, protocol):
    return lambda path: path.write_bytes(pickle.dumps(s, protocol))


def joblib(s, protocol):
    def write(path):
        with open(path, "wb") as f:
            Joblib(f, protocol).dump(s)
    return write


rows = [[1.5, -2.25, 1000.125], [2.5, 4.75, 999.5], [-7.0, 0.1, 1234.0625]]
for protocol in (2, 3, 4, 5):
    s = StandardScaler().fit(rows)
    scaler(f"scaler_{protocol}", s, plain(s, protocol))
    scaler(f"joblib_{protocol}", s, joblib(s, protocol))
s = StandardScaler(with_mean=False).fit(rows)
scaler("scaler_no_mean", s, plain(s, 4))
s = StandardScaler(with_std=False).fit(rows)
scaler("scaler_no_std", s, plain(s, 4))
s = StandardScaler().fit(rows)
s.mean_, s.scale_ = s.mean_.astype(numpy.float32), s.scale_.astype(numpy.float32)
scaler("scaler_float32", s, plain(s, 4))
(here / "bad_scaler_unfitted.pkl").write_bytes(pickle.dumps(StandardScaler(), 4))
s = StandardScaler().fit(rows)
s.mean_ = s.mean_.astype(">f8")
(here / "bad_scaler_big_endian.pkl").write_bytes(pickle.dumps(s, 4))
s.mean_ = numpy.array(["1", "2", "3"])
(here / "bad_scaler_text.pkl").write_bytes(pickle.dumps(s, 4))
(here / "bad_scaler_dict.pkl").write_bytes(pickle.dumps({"mean": [1.0]}, 4))


def state(name, d):
    torch.save(d, here / (name + ".pth"))
    expected[name + ".pth"] = {
        k: {"shape": list(v.shape), "data": v.detach().to(torch.float32).flatten().tolist()} for k, v in d.items()
    }


torch.manual_seed(1)
state("kinds", collections.OrderedDict(
    single=torch.randn(2, 3), double=torch.randn(2, 3, dtype=torch.float64),
    half=torch.randn(2, 3).to(torch.float16) * 1e-4, bfloat=torch.randn(2, 3).to(torch.bfloat16),
    number=torch.tensor(2.5), none=torch.zeros(0, 3)))
base = torch.arange(24, dtype=torch.float32)
state("views", collections.OrderedDict(
    transposed=base.view(4, 6).t(), permuted=base.view(2, 3, 4).permute(2, 0, 1), tail=base[5:9], every=base[1::5],
    whole=base, expanded=torch.tensor([1.0, 2.0]).expand(3, 2)))
state("parameters", {"w": torch.nn.Parameter(torch.randn(3, 2)), "b": torch.nn.Parameter(torch.randn(3))})
state("lstm", torch.nn.LSTM(1, 3, 2).state_dict())

torch.save({"n": torch.arange(3)}, here / "bad_int64.pth")
torch.save({"epoch": 3, "model": {"w": torch.ones(2)}}, here / "bad_checkpoint.pth")
torch.save(torch.nn.Linear(1, 1), here / "bad_module.pth")
torch.save(torch.ones(2), here / "bad_tensor.pth")
torch.save({"w": torch.tensor([1.0, float("nan")])}, here / "bad_nan.pth")
torch.save({"w": torch.tensor([1e300], dtype=torch.float64)}, here / "bad_overflow.pth")
torch.save({"w": torch.ones(2)}, here / "bad_legacy.pth", _use_new_zipfile_serialization=False)
(here / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")
