# Reference values of TestReference and TestChoice: exponential smoothing on log price by R's ets.
# From the repository's root:
#   Rscript forecast/ets/testdata/reference.R FILE... > forecast/ets/testdata/reference.csv
# with FILE each a series of bars; made with R 4.2.2, forecast 8.20 (Debian 12). tools/references has
# the list. Log prices have no trend to speak of, so averages of two of them are smoothed as well:
# these go on in the direction that they took, and another model is the best.
suppressMessages(library(forecast))
h <- 20
cat("series,average,model,alpha,beta,phi,l0,b0,loglik,aicc,sigma2,chosen",
    paste0("point", 1:h), paste0("lower", 1:h), paste0("upper", 1:h), sep = ",")
cat("\n")
for (file in commandArgs(TRUE)) for (average in 1:2) {
  name <- file.path(basename(dirname(file)), basename(file))
  x <- log(read.csv(file)$close)
  x <- tail(as.numeric(stats::filter(x, rep(1 / average, average), sides = 1)), 500)
  chosen <- gsub("[^ANd]", "", sub("ETS", "", ets(x, model = "AZN")$method))
  for (m in c("ANN", "AAN", "AAdN")) {
    f <- ets(x, model = if (m == "ANN") "ANN" else "AAN", damped = m == "AAdN")
    p <- f$par
    par <- function(k) if (k %in% names(p)) p[[k]] else NA
    g <- forecast(f, h = h, level = 90)
    # Forecasts are log returns from the last close; the initial level is relative to the
    # first.
    last <- x[500]
    cat(name, average, m, sprintf("%.12g", c(par("alpha"), par("beta"), par("phi"), p[["l"]] - x[1], par("b"), f$loglik, f$aicc, f$sigma2)), chosen,
        sprintf("%.12g", c(g$mean - last, g$lower - last, g$upper - last)), sep = ",")
    cat("\n")
  }
}
