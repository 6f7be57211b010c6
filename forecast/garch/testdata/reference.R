# Reference values of TestReference: GARCH(1,1) and GJR with Student's t by fGarch.
# From the repository's root:
#   Rscript forecast/garch/testdata/reference.R FILE... > forecast/garch/testdata/reference.csv
# with FILE each a series of bars; made with R 4.2.2, fGarch 4022.89 (Debian 12). tools/references has
# the list.
suppressMessages(library(fGarch))
cat("series,model,mu,omega,alpha,gamma,beta,nu,loglik,s1,s5,s20\n")
for (file in commandArgs(TRUE)) {
  name <- file.path(basename(dirname(file)), basename(file))
  x <- 100 * diff(log(tail(read.csv(file)$close, 1001)))
  row <- function(model, mu, omega, alpha, gamma, beta, nu, ll, s)
    cat(sprintf("%s,%s,%.8g,%.8g,%.8g,%.8g,%.8g,%.8g,%.10g,%.8g,%.8g,%.8g\n", name, model, mu, omega, alpha, gamma, beta, nu, ll,
                s[1], sqrt(sum(s[1:5]^2)), sqrt(sum(s^2))))
  f <- garchFit(~garch(1, 1), data = x, cond.dist = "std", trace = FALSE, algorithm = "nlminb+nm")
  p <- coef(f)
  s <- predict(f, n.ahead = 20)$standardDeviation
  row("garch", p["mu"], p["omega"], p["alpha1"], 0, p["beta1"], p["shape"], -f@fit$llh, s)
  # fGarch writes the asymmetry as alpha (|e| - g e)^2: with e < 0 that is alpha (1+g)^2,
  # else alpha (1-g)^2.
  g <- try(garchFit(~aparch(1, 1), data = x, cond.dist = "std", include.delta = FALSE, delta = 2, leverage = TRUE,
                    trace = FALSE, algorithm = "nlminb+nm"), silent = TRUE)
  if (!inherits(g, "try-error")) {
    p <- coef(g)
    a <- p["alpha1"] * (1 - p["gamma1"])^2
    row("gjr", p["mu"], p["omega"], a, p["alpha1"] * (1 + p["gamma1"])^2 - a, p["beta1"], p["shape"], -g@fit$llh, rep(NA, 20))
  }
}
