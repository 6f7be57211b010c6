"""Quantile regression by statsmodels, to check package quantreg against.

From the repository's root:

    /usr/bin/python3 forecast/quantreg/testdata/reference.py FILE... > forecast/quantreg/testdata/reference.csv

with FILE each a series of bars; made with Python 3.11.2, statsmodels 0.13.5, NumPy 1.24.2
(Debian 12). tools/references has the list.

It regresses the log return x 100 of the newest 1,000 bars on the return before, its size
and the return before that, and prints intercept, slopes and the mean loss for five
probabilities.
"""
import csv
import pathlib
import sys

import numpy as np
import statsmodels.api as sm

print("series,p,intercept,before,size,earlier,loss")
for file in sys.argv[1:]:
    with open(file) as f:
        c = np.array([float(r["close"]) for r in csv.DictReader(f)])[-1003:]
    r = 100 * np.diff(np.log(c))
    y = r[2:]
    X = sm.add_constant(np.column_stack([r[1:-1], np.abs(r[1:-1]), r[:-2]]))
    for p in (0.05, 0.25, 0.5, 0.75, 0.95):
        fit = sm.QuantReg(y, X).fit(q=p, max_iter=20000, p_tol=1e-10)
        loss = np.mean(np.where(y > fit.predict(X), p, p - 1) * (y - fit.predict(X)))
        print("/".join(pathlib.Path(file).parts[-2:]), p, *("%.8g" % v for v in (*fit.params, loss)), sep=",")
