# Reference values of TestReference: the Theta method on log price by R's thetaf.
#   Rscript reference.R DATA > reference.csv
# with DATA the folder of daily bars; made with R 4.2.2, forecast 8.20 (Debian 12).
suppressMessages(library(forecast))
data <- commandArgs(TRUE)[1]
h <- 20
cat("series,bars,alpha,drift,sigma2", paste0("point", 1:h), paste0("lower", 1:h), paste0("upper", 1:h), sep = ",")
cat("\n")
for (name in c("AMZN", "EURUSD", "GLD", "KO", "VIX")) for (n in c(250, 500)) {
  x <- log(tail(read.csv(file.path(data, paste0(name, ".csv")))$close, n))
  f <- thetaf(x, h = h, level = 90)
  last <- x[n]
  cat(name, n, sprintf("%.12g", c(f$model$alpha, f$model$drift, f$model$sigma,
      f$mean - last, f$lower - last, f$upper - last)), sep = ",")
  cat("\n")
}
