"""Quantile regression by statsmodels, to check package quantreg against.

    python3 reference.py AMZN.csv     (Python 3.11, statsmodels 0.13.5, NumPy 1.24.2)

regresses the log return x 100 of the newest 1,000 bars on the return before, its size
and the return before that, and prints intercept and slopes for five probabilities.
"""
import csv
import sys

import numpy as np
import statsmodels.api as sm

c = np.array([float(r["close"]) for r in csv.DictReader(open(sys.argv[1]))])[-1003:]
r = 100 * np.diff(np.log(c))
y = r[2:]
X = sm.add_constant(np.column_stack([r[1:-1], np.abs(r[1:-1]), r[:-2]]))
for p in (0.05, 0.25, 0.5, 0.75, 0.95):
    fit = sm.QuantReg(y, X).fit(q=p, max_iter=20000, p_tol=1e-10)
    loss = np.mean(np.where(y > fit.predict(X), p, p - 1) * (y - fit.predict(X)))
    print(p, *("%.8g" % v for v in (*fit.params, loss)))
