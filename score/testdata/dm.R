# Reference values of TestDieboldMarianoReference: R's dm.test. From the repository's root:
#   Rscript score/testdata/dm.R > score/testdata/dm.csv
# made with R 4.2.2, forecast 8.20 (Debian 12).
suppressMessages(library(forecast))
i <- 1:200
a <- 1 + sin(i / 9) + 0.3 * sin(i * 1.3)
b <- 1.1 + 0.8 * sin(i / 9 + 0.3) + 0.25 * cos(i * 0.9)
cat("h,stat,p\n")
for (h in c(1, 3, 5)) {
  d <- dm.test(a, b, h = h, power = 1, varestimator = "acf")
  cat(sprintf("%d,%.12g,%.12g\n", h, d$statistic, d$p.value))
}
