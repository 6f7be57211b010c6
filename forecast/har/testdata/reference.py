"""The HAR forecast computed from its definition, to check package har against.

From the repository's root:

    /usr/bin/python3 forecast/har/testdata/reference.py FILE... > forecast/har/testdata/reference.csv

with FILE each a series of daily bars; made with Python 3.11.2, NumPy 1.24.2 (Debian 12).
tools/references has the list.

It reads the newest 1,024 bars and prints, for horizons 1, 5 and 20: the coefficients
(intercept, averages over 1, 5, 22 and 66 bars, leverage), the scale of the variance, and
the standard deviation and 5 % and 95 % quantile of a forecast from the last bar, whose
targets are the next days of the week on the clock.
"""
import csv
import datetime
import pathlib
import sys

import numpy as np


def ewma(x, half):
    w = 2.0 ** (-np.arange(len(x))[::-1] / half)
    return (w * x).sum() / w.sum()


def clean(raw, r, factor):
    """Season out, bad prints capped, small ones floored."""
    v, floored = raw / factor, np.zeros(len(r))
    adjusted = r / np.sqrt(factor)
    for i in range(len(r)):
        if i >= 60:
            level = ewma(v[:i], 22)
            v[i] = min(v[i], max(1.5 * adjusted[i] ** 2, 12 * level), 64 * level)
        floored[i] = max(v[i], 0.05 * ewma(v[: i + 1], 22))
    return floored, adjusted


def row(floored, adjusted, t):
    """What is known after bar t."""
    x = [np.log(floored[t + 1 - s : t + 1].mean()) for s in (1, 5, 22, 66)]
    return [1.0] + x + [min(4, max(0, -adjusted[t]) / np.sqrt(floored[t - 21 : t + 1].mean()))]


def reference(file):
    with open(file) as f:
        rows = list(csv.DictReader(f))[-1024:]
    day = [datetime.date.fromisoformat(r["time"]) for r in rows]
    o, h, l, c = (np.array([float(r[k]) for r in rows]) for k in ("open", "high", "low", "close"))
    n = len(rows)

    # Variance of each bar from its range, from bar 1 on.
    r = np.log(c[1:] / c[:-1])
    gap = np.log(o[1:] / c[:-1])
    H, L, C = (np.log(x[1:] / o[1:]) for x in (h, l, c))
    pk = (H - L) ** 2 / (4 * np.log(2))
    gk = np.maximum(0.5 * (H - L) ** 2 - (2 * np.log(2) - 1) * C**2, 0)
    rs = np.maximum(H * (H - C) + L * (L - C), 0)
    raw = gap**2 + (pk + gk + rs) / 3

    # The day of the week: factors before each bar, from 21 weeks on.
    week = [(d - datetime.date(1970, 1, 1)).days // 7 for d in day[1:]]
    total, count = np.zeros(7), np.zeros(7)
    factor, weeks = np.ones(n - 1), set()

    def weekday(k):
        if len(weeks) <= 20:
            return 1.0
        return (total[k] / (total.sum() / count.sum()) + 60) / (count[k] + 60)

    for i, d in enumerate(day[1:]):
        factor[i] = weekday(d.weekday())
        weeks.add(week[i])
        if i > 0:
            total[d.weekday()] += min(raw[i] / ewma(raw[:i], 22), 12)
            count[d.weekday()] += 1

    floored, adjusted = clean(raw, r, factor)
    # A forecast looks at the newest 256 bars, with the season as it stands at the end.
    season = np.array([weekday(d.weekday()) for d in day[-255:]])
    newest = row(*clean(raw[-255:], r[-255:], season), 254)

    for horizon in (1, 5, 20):
        at = range(65, n - 1 - horizon)
        X = np.array([row(floored, adjusted, t) for t in at])
        y = np.array([np.log(floored[t + 1 : t + 1 + horizon].mean()) for t in at])
        b = np.linalg.lstsq(X, y, rcond=None)[0]
        smear = np.exp(y - X @ b).mean()
        f = np.array([factor[t + 1 : t + 1 + horizon].sum() for t in at])
        z = np.array([r[t + 1 : t + 1 + horizon].sum() for t in at]) / np.sqrt(smear * np.exp(X @ b) * f)
        square = np.minimum(z**2, 25).mean()
        z /= np.sqrt(square)
        ahead = sum(weekday((day[-1] + datetime.timedelta(k)).weekday()) for k in range(1, horizon + 1))
        sd = np.sqrt(smear * square * np.exp(np.array(newest) @ b) * ahead)
        q = sd * np.quantile(z[-1000:], [0.05, 0.95])
        print("/".join(pathlib.Path(file).parts[-2:]), horizon, *("%.10g" % x for x in [*b, smear * square, sd, *q]), sep=",")


print("series,h,intercept,1,5,22,66,leverage,scale,sd,q05,q95")
for file in sys.argv[1:]:
    reference(file)
