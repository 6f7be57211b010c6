"""Ridge regression and generalised cross-validation by the normal equations and the
trace of the hat matrix, to check package ridge against.

From the repository's root:

    /usr/bin/python3 forecast/ridge/testdata/reference.py > forecast/ridge/testdata/reference.csv

made with Python 3.11.2, NumPy 1.24.2 (Debian 12).

It prints for h = 1 and 5: the chosen penalty, GCV there, degrees of freedom, the intercept
and 12 slopes. The data are sines, see data().
"""
import numpy as np


def data(n=200, p=12):
    i, j = np.arange(1, n + 1)[:, None], np.arange(1, p + 1)[None, :]
    X = np.sin(0.37 * i * (j + 1)) + 0.3 * np.sin(0.11 * i)
    k = np.arange(1, n + 1)
    y = 0.5 + 0.4 * X[:, 0] - 0.2 * X[:, 3] + 1.5 * np.sin(1.7 * k * k)
    return X, y


X, y = data()
n, p = X.shape
Z = X - X.mean(axis=0)
print("h,lambda,gcv,freedom,intercept", *(f"b{j}" for j in range(1, p + 1)), sep=",")
for h in (1, 5):
    best = None
    for step in range(-16, 17):
        lam = 10.0 ** (step / 4)
        inverse = np.linalg.inv(Z.T @ Z / n + lam * np.eye(p))
        b = inverse @ (Z.T @ (y - y.mean())) / n
        hat = Z @ inverse @ Z.T / n
        df = 1 + np.trace(hat)
        e = y - y.mean() - Z @ b
        gcv = (e @ e / n) / (1 - df * h / n) ** 2
        if best is None or gcv < best[1]:
            best = lam, gcv, df, y.mean() - X.mean(axis=0) @ b, b
    lam, gcv, df, b0, b = best
    print(h, *("%.12g" % v for v in (lam, gcv, df, b0, *b)), sep=",")
