# Reference values of TestReference: the Theta method on log price by R's thetaf.
# From the repository's root:
#   Rscript forecast/theta/testdata/reference.R FILE... > forecast/theta/testdata/reference.csv
# with FILE each a series of bars; made with R 4.2.2, forecast 8.20 (Debian 12). tools/references has
# the list.
suppressMessages(library(forecast))
h <- 20
cat("series,bars,alpha,drift,sigma2", paste0("point", 1:h), paste0("lower", 1:h), paste0("upper", 1:h), sep = ",")
cat("\n")
for (file in commandArgs(TRUE)) for (n in c(250, 500)) {
  name <- file.path(basename(dirname(file)), basename(file))
  x <- log(tail(read.csv(file)$close, n))
  f <- thetaf(x, h = h, level = 90)
  last <- x[n]
  cat(name, n, sprintf("%.12g", c(f$model$alpha, f$model$drift, f$model$sigma,
      f$mean - last, f$lower - last, f$upper - last)), sep = ",")
  cat("\n")
}
