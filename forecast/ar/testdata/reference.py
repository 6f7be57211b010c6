"""Reference values of TestReference: autoregression of log returns by statsmodels.

From the repository's root:

    /usr/bin/python3 forecast/ar/testdata/reference.py FILE... > forecast/ar/testdata/reference.jsonl

with FILE each a series of bars; made with Python 3.11.2, statsmodels 0.13.5, NumPy 1.24.2
(Debian 12). tools/references has the list.

For the last 1,024 closes of each series: AIC and BIC of every order up to 10 with and
without mean on the common sample (AutoReg, hold_back=10), then orders 0, 1, 3 and 5 on all
their returns with the HAC covariance (cov_hac_simple, Bartlett, its own bandwidth, with the
small-sample correction), and the mean and standard deviation of the sum of the next 1 to 20
returns.
"""
import json
import pathlib
import sys

import numpy as np
import pandas as pd
import statsmodels.api as sm
from statsmodels.stats.sandwich_covariance import cov_hac_simple
from statsmodels.tsa.ar_model import AutoReg
from statsmodels.tsa.arima_process import arma2ma


def terms(r, p, mean):
    cols = [np.ones(len(r) - p)] if mean else []
    cols += [r[p - i : len(r) - i] for i in range(1, p + 1)]
    return np.column_stack(cols)


for file in sys.argv[1:]:
    close = pd.read_csv(file)["close"].to_numpy()[-1024:]
    r = np.diff(np.log(close))
    series = {"series": "/".join(pathlib.Path(file).parts[-2:]), "aic": [], "bic": [], "fits": []}
    for p in range(11):
        for mean in [False, True]:
            f = AutoReg(r, p, trend="c" if mean else "n", hold_back=10).fit()
            series["aic"].append(f.aic)
            series["bic"].append(f.bic)
    for p in [0, 1, 3, 5]:
        for mean in [False, True]:
            if p == 0 and not mean:
                continue
            x = terms(r, p, mean)
            f = sm.OLS(r[p:], x).fit()
            phi = f.params[1:] if mean else f.params
            cov = cov_hac_simple(f, nlags=None, use_correction=True)
            assert np.allclose(AutoReg(r, p, trend="c" if mean else "n").fit().params, f.params)
            # The sum of the next h returns.
            past, total, points = list(r), 0.0, []
            for _ in range(20):
                y = (f.params[0] if mean else 0.0) + sum(phi[i] * past[-1 - i] for i in range(p))
                past.append(y)
                total += y
                points.append(total)
            psi = arma2ma(np.r_[1, -phi], [1.0], 20)
            sds = np.sqrt(f.scale * np.cumsum(np.cumsum(psi) ** 2))
            series["fits"].append({
                "lags": p, "mean": mean, "params": list(f.params), "scale": f.scale,
                "hac": [list(row) for row in np.atleast_2d(cov)], "points": points, "sds": list(sds),
            })
    print(json.dumps(series))
