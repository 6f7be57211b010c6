"""The evidence of TestEvidenceReference, written down from the papers alone.

From the repository's root:

    /usr/bin/python3 score/testdata/eprocess.py > score/testdata/eprocess.csv

made with Python 3.11.2, NumPy 1.24.2, SciPy 1.10.1 (Debian 12).
"""
import numpy as np
from scipy.stats import norm

taus = np.arange(1, 20) / 20
z = norm.ppf(taus)


def crps(q, y):
    d = y - q
    return 2 * np.mean(np.maximum(taus * d, (taus - 1) * d))


n = 500
d, low, high = np.zeros(n), np.zeros(n), np.zeros(n)
for i in range(n):
    swing = 1 + 0.5 * np.sin(i / 40)
    y = 1.5 * np.sin(1.7 * i * i) * swing
    model, naive = 0.1 + swing * z, 1.2 * z
    d[i] = crps(naive, y) - crps(model, y)
    gain = [crps(naive, x) - crps(model, x) for x in np.concatenate([model, naive])]
    low[i], high[i] = -min(gain), max(gain)


def wealth(d, bound):  # of the bet that d is above 0, after each step
    w = np.ones(n + 1)
    for i in range(n):
        s, ss = d[:i].sum(), (d[:i] ** 2).sum()
        k = 0 if bound[i] <= 0 or i == 0 else np.clip(s / (ss + 25 * bound[0] ** 2), 0, 0.5 / bound[i])
        w[i + 1] = w[i] * (1 + k * d[i])
    return w


better, worse = wealth(d, low), wealth(-d, high)
e = (better + worse) / 2

u = d / np.maximum(low, high)
past = np.concatenate([[0], np.cumsum(u)[:-1] / np.arange(1, n)])
v = ((u - past) ** 2).sum()
lam = 0.49 * 0.5 ** np.arange(10)
psi = (-np.log(1 - 2 * lam) - 2 * lam) / 4
weak = np.mean([np.exp(lam * s - psi * v).mean() for s in (u.sum(), -u.sum())])
print("e,peak,better,worse,weak,mean")
print("%.12g,%.12g,%.12g,%.12g,%.12g,%.12g" % (e[-1], e.max(), better[-1], worse[-1], weak, d.mean()))
