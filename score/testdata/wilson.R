# Reference values of TestWilson: R's interval of a share, k of 100. From the repository's root:
#   Rscript score/testdata/wilson.R > score/testdata/wilson.csv
# made with R 4.2.2 (Debian 12).
cat("k,low,high\n")
for (k in c(0, 45, 88, 100)) {
  limits <- prop.test(k, 100, correct = FALSE)$conf.int
  cat(sprintf("%d,%.12g,%.12g\n", k, limits[1], limits[2]))
}
