package foretick_test

// layer is a package, or a family of packages, with what it holds and which of Foretick's
// own packages it imports. "x/..." stands for x and everything below it.
type layer struct {
	pkg   string
	holds string
	uses  []string
}

// layers are all packages of this module. A package belongs to the first layer that it is
// within. ARCHITECTURE.md has the same table, written by
//
//	go test . -run Architecture -update
var layers = []layer{
	{"market", "Time, Interval, Instrument, Tick, Bar, Calendar; Builder makes bars from ticks, Rollup coarser bars from bars", nil},
	{"forecast", "what a model sees and answers: Window, Quantiles, Forecast, the interfaces of models", []string{"market"}},
	{"forecast/rangevar", "variance from the range of bars, season factors; models of volatility are made of it", []string{"market", "forecast"}},
	{"forecast/residual", "standardised residuals, and quantiles read off them", []string{"forecast"}},
	{"forecast/feature", "bars as rows of numbers that regressions and trees learn from", []string{"market", "forecast"}},
	{"forecast/conformal", "the adaptive layer: corrects intervals when coverage has drifted", []string{"forecast"}},
	{"forecast/auto", "the champion: combines experts online", []string{"market", "forecast", "forecast/conformal"}},
	{"forecast/neural/kernel/...", "the loops of networks, in plain Go and in generated assembly", nil},
	{"forecast/neural", "recurrent networks, their training, the original's price model", []string{"market", "forecast", "forecast/rangevar", "forecast/residual", "forecast/neural/kernel"}},
	{"forecast/...", "one model family each; `forecasttest` is the suite that all of them pass", []string{"market", "forecast", "forecast/rangevar", "forecast/residual", "forecast/feature"}},
	{"score", "errors, CRPS, MASE, calibration; accuracy windows; the verdict's test, Diebold-Mariano, confidence set, e-BH", []string{"market", "forecast"}},
	{"ledger", "entries, canonical bytes, hash chain, Verifier", []string{"market", "forecast"}},
	{"track", "the state machine of one series: settle, learn, issue", []string{"market", "forecast", "score", "ledger"}},

	{"internal/feed", "Source, the contract of market data", []string{"market"}},
	{"internal/feed/csv", "recorded files of bars, closes, ticks, splits", []string{"market", "internal/feed"}},
	{"internal/feed/replay", "recorded files played back at any pace", []string{"market", "internal/feed", "internal/feed/csv"}},
	{"internal/feed/venue", "what the feeds of venues have in common: connections, limits, gaps, clocks", []string{"market", "internal/feed"}},
	{"internal/feed/venue/venuetest", "fake venues that misbehave, and the suite that every venue passes", []string{"market", "internal/feed", "internal/feed/feedtest", "internal/feed/venue"}},
	{"internal/feed/kraken/krakentest", "Kraken, played for tests", []string{"market", "internal/feed/venue/venuetest"}},
	{"internal/feed/feedtest", "the suite that every source of market data passes", []string{"market", "internal/feed", "internal/startstop"}},
	{"internal/feed/...", "one venue each; `sim` is the simulated market, `httpfeed` any service of the original's contract", []string{"market", "internal/feed", "internal/feed/venue"}},
	{"internal/bus", "notices that something was committed", nil},
	{"internal/bus/...", "`inproc` passes them on within a process; `bustest` is the suite", []string{"internal/bus"}},
	{"internal/store", "what Foretick needs of a database, in small roles", []string{"market", "score", "ledger", "internal/feed"}},
	{"internal/store/postgres/pgtest", "a real PostgreSQL for tests", nil},
	{"internal/store/rollup", "the candles of charts, which both stores keep", []string{"market", "internal/store"}},
	{"internal/store/...", "`sqlite` and `postgres`; `tail` holds the newest commits in memory, `audit` looks for damage, `transfer` copies one store into another; `storetest` is the suite", []string{"market", "forecast", "score", "ledger", "internal/feed", "internal/store", "internal/store/rollup"}},
	{"internal/tracing", "spans and metrics to an OpenTelemetry collector; a nil tracer is off", []string{"market"}},
	{"internal/ingest", "ticks to bars to commits; quarantine, gaps, the health of feeds", []string{"market", "internal/feed", "internal/store", "internal/bus", "internal/tracing", "ledger"}},
	{"internal/engine", "runs tracks from the bar log, restores them, keeps snapshots", []string{"market", "forecast", "score", "ledger", "track", "internal/store", "internal/bus", "internal/tracing"}},
	{"internal/disk", "the space on a folder's disk", nil},
	{"internal/guard", "verifies the ledger of a running program again and again, and measures its disk", []string{"market", "ledger", "internal/disk", "internal/store"}},
	{"internal/inputs", "checks the inputs that the ledger seals against the bars that are stored", []string{"market", "ledger", "track", "internal/store"}},
	{"internal/bundle", "what a person who helps needs to know, without secrets and prices", []string{"market", "ledger", "internal/store"}},
	{"internal/upkeep", "what becomes due in a store: old bars deleted, missing candles made", []string{"market", "internal/store"}},
	{"internal/modelfile", "model files of other programs, read as data", nil},
	{"internal/desk", "a queue of long jobs: stored, watched, cancelled, resumed", []string{"market", "internal/store"}},
	{"internal/registry", "stored model versions", []string{"market", "forecast", "forecast/neural", "internal/modelfile", "internal/store"}},
	{"internal/training", "trainings in the background", []string{"market", "forecast", "forecast/neural", "internal/desk", "internal/store"}},
	{"internal/backtest", "walks with a rolling origin, and their reports", []string{"market", "forecast", "score", "ledger", "track", "internal/store", "internal/desk"}},
	{"internal/scenario", "scenarios in words: bars in, ledger and scores out; tests only", nil},
	{"internal/archive", "bars, entries, scores and ticks as Parquet, CSV and JSON lines, and back", []string{"market", "forecast", "score", "ledger", "internal/store"}},
	{"internal/api", "REST, server-sent events, the original's contracts, keys", []string{"market", "forecast", "forecast/neural", "score", "ledger", "internal/feed", "internal/store", "internal/bus", "internal/tracing", "internal/backtest", "internal/desk", "internal/registry", "internal/training"}},
	{"internal/catalog", "the tables of models, feeds and stores", []string{"market", "forecast/...", "internal/feed/...", "internal/store/..."}},
	{"internal/onnx/...", "ONNX networks, in builds with the tag onnx", []string{"market", "forecast", "forecast/residual"}},
	{"web", "the built page, embedded", nil},
	{"internal/app", "configuration, wiring, the order of start and stop", []string{"market", "forecast/...", "score", "ledger", "track", "internal/...", "web"}},
	{"cmd/foretick", "commands: flags to app", []string{"market", "forecast", "forecast/rangevol", "forecast/neural", "score", "ledger", "track", "internal/...", "web"}},
	{"internal/startstop", "the suite that everything with a Run(ctx) passes", []string{"internal/testdata"}},
	{"internal/testdata", "finds the market data that tests read", nil},
	{"internal/marketgen", "makes the market data in `testdata/market`, bit for bit", []string{"market"}},
	{"deploy/internal/...", "builds the program, packs files, lists what a program consists of", nil},
	{"deploy/...", "container images, archives and Debian packages; tests of the pipelines", []string{"deploy/internal/..."}},
	{"bench/venue", "a venue on this machine, for measurements and demonstrations", []string{"market", "internal/feed/venue/venuetest", "internal/feed/kraken/krakentest"}},
	{"bench/...", "measurements that need programs of their own", nil},
	{"tools/...", "programs that the Makefile runs", nil},
}
