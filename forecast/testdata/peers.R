# Reference values of TestPeers and of internal/backtest's TestProtocol: two benchmark methods
# by the protocol that docs/forecasting.md describes. From the repository's root:
#   Rscript forecast/testdata/peers.R FILE... > forecast/testdata/peers.csv
# with FILE each a series of bars; made with R 4.2.2 (Debian 12). tools/references has the list.
#
# hs250 is historical simulation: type-7 quantiles of the last 250 realised returns over h bars.
# ewma94_n is RiskMetrics: a normal distribution whose variance is the average of the squared
# returns with weights that fall by 0.94 a bar, times h. Both are asked at every bar from the
# 501st on, of the last 2,500, for the log return over h bars, times 100.
levels <- c(0.025, seq(0.05, 0.95, by = 0.05), 0.975)
inner <- 2:20
burn <- 500

historical <- function(x, h, origins) {
  y <- c(rep(NA, h), diff(x, lag = h)) # y[i] is realised at bar i
  t(sapply(origins, function(i) quantile(y[(i - 249):i], levels, type = 7, names = FALSE)))
}

riskmetrics <- function(x, h, origins) {
  square <- diff(x)^2
  variance <- Reduce(function(v, s) 0.94 * v + 0.06 * s, square, square[1], accumulate = TRUE)[-1]
  outer(sqrt(h * variance[origins - 1]), qnorm(levels))
}

# Diebold and Mariano's statistic for a mean of zero, with the correction of Harvey, Leybourne
# and Newbold, against Student's t, on both sides.
dieboldMariano <- function(d, h) {
  n <- length(d)
  if (all(d == 0)) return(c(0, 1))
  gamma <- sapply(0:(h - 1), function(k) sum((d[(1 + k):n] - mean(d)) * (d[1:(n - k)] - mean(d))) / n)
  v <- gamma[1] + 2 * sum(gamma[-1])
  if (v <= 0) v <- gamma[1]
  stat <- mean(d) / sqrt(v / n) * sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
  c(stat, 2 * pt(-abs(stat), n - 1))
}

cat("series,h,method,n,crps,cov90,width90,cov95,cov90_lo,cov90_mid,cov90_hi,n_lo,n_mid,n_hi,mae,relmae,mase,dm_crps_vs_hs,p_crps_vs_hs,dm_point_vs_naive,p_point_vs_naive\n")
for (file in commandArgs(TRUE)) {
  name <- sub("\\.csv(\\.gz)?$", "", basename(file))
  close <- tail(read.csv(file)$close, 2500)
  n <- length(close)
  x <- 100 * log(close)
  r <- diff(x)
  for (h in c(1, 5)) {
    origins <- (burn + 1):(n - h)
    y <- x[origins + h] - x[origins]
    # Terciles of the volatility of the last 20 returns.
    calm <- sapply(origins, function(i) sd(r[(i - 20):(i - 1)]))
    regime <- findInterval(calm, quantile(calm, c(1, 2) / 3, type = 7))
    still <- abs(close[origins + h] - close[origins])
    base <- NULL
    for (method in c("hs250", "ewma94_n")) {
      q <- (if (method == "hs250") historical else riskmetrics)(x, h, origins)
      d <- y - q[, inner]
      tau <- matrix(levels[inner], nrow(d), length(inner), byrow = TRUE)
      crps <- 2 * rowMeans(pmax(tau * d, (tau - 1) * d))
      hit <- q[, 2] <= y & y <= q[, 20]
      hit95 <- q[, 1] <= y & y <= q[, 21]
      error <- abs(close[origins + h] - close[origins] * exp(q[, 11] / 100))
      if (is.null(base)) base <- crps
      cat(name, h, method, length(origins), sprintf("%.6g", c(
        mean(crps), mean(hit), mean(q[, 20] - q[, 2]), mean(hit95),
        sapply(0:2, function(k) mean(hit[regime == k])), sapply(0:2, function(k) sum(regime == k)),
        mean(error), mean(error) / mean(still), mean(error) / mean(abs(diff(close[1:burn]))),
        dieboldMariano(crps - base, h), dieboldMariano(error - still, h))), sep = ",")
      cat("\n")
    }
  }
}
