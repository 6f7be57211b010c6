// Command foretick watches a market, forecasts its next prices, seals every
// forecast before its outcome is known, and judges it when the outcome arrives.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // for --timezone where the system has no zones

	"github.com/alecthomas/kong"
	_ "golang.org/x/crypto/x509roots/fallback" // where the system has no roots of trust, as in the container image
)

// cli is the command line.
type cli struct {
	Config kong.ConfigFlag `type:"path" help:"YAML file of settings, keys named like flags."`

	Serve    serveCmd    `cmd:"" help:"Follow a market, forecast it, and serve the dashboard and the API."`
	Predict  predictCmd  `cmd:"" help:"Forecast the next price after a list of prices."`
	Train    trainCmd    `cmd:"" help:"Train networks on recorded files or stored series, and store them as a model version."`
	Models   modelsCmd   `cmd:"" help:"List, show, import, export and delete stored model versions."`
	Backtest backtestCmd `cmd:"" help:"Walk recorded files or stored series with a rolling origin and judge what the models would have said."`
	Feeds    feedsCmd    `cmd:"" help:"The venues that can be followed, and whether one answers."`
	Record   recordCmd   `cmd:"" help:"Keep all that venues send, as it comes, to be played back later."`
	Replay   replayCmd   `cmd:"" help:"Run recorded files through the loop at full speed and print how the forecasts did."`
	Import   importCmd   `cmd:"" help:"Store the bars of recorded files as history, splits and dividends, or the files of an archive as what they were."`
	Export   exportCmd   `cmd:"" help:"Write stored bars, sealed forecasts and scores to files: Parquet, CSV or JSON lines."`
	Ledger   ledgerCmd   `cmd:"" help:"Check, show and export sealed forecasts."`
	DB       dbCmd       `cmd:"" name:"db" help:"The database as a whole: what it holds, its schema, whether it is sound."`
	Backup   backupCmd   `cmd:"" help:"Copy the database to a file while Foretick runs, and check the copy."`
	Restore  restoreCmd  `cmd:"" help:"Put a backup into a data folder."`
	Bench    benchCmd    `cmd:"" help:"Measure how well the models forecast, and estimate what they start from."`
	Doctor   doctorCmd   `cmd:"" help:"Look at the data folder, port, disk and clock, and say what is wrong."`
	Healthy  healthyCmd  `cmd:"" help:"Ask a Foretick that runs whether it is ready; the health check of containers."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// terminal is what commands write to and are told by.
type terminal struct {
	ctx    context.Context
	stdout io.Writer
	stderr io.Writer
	config string // the file of settings, if one was named
}

// errFailed ends the program with status 1 after the command has said why.
var errFailed = errors.New("failed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills
	dropEmpty(os.Environ())
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit status, 0 when done, 1 when
// failed, 2 when used wrongly.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (status int) {
	var c cli
	exited := -1
	parser, err := newParser(&c, stdout, stderr, func(code int) { exited = code; panic(exitPanic{}) })
	if err != nil {
		fmt.Fprintln(stderr, "foretick:", err)
		return 1
	}
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(exitPanic); !ok {
				panic(p)
			}
			status = exited
		}
	}()
	k, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "foretick: %v\nRun foretick --help for what there is.\n", err)
		return 2
	}
	err = k.Run(&terminal{ctx: ctx, stdout: stdout, stderr: stderr, config: string(c.Config)})
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "foretick:", err)
		return 2
	case errors.Is(err, errFailed):
		return 1
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "foretick: stopped before it was done")
		return 1
	default:
		fmt.Fprintln(stderr, "foretick:", err)
		return 1
	}
}

// newParser returns what reads the command line into c. exit is called where kong would end the process.
func newParser(c *cli, stdout, stderr io.Writer, exit func(code int)) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("foretick"),
		kong.Description("Foretick watches a market live, forecasts the next prices, seals every forecast before its outcome is known, and tells the truth about it."),
		kong.UsageOnError(), kong.Writers(stdout, stderr), kong.DefaultEnvars("FORETICK"),
		kong.Vars(trainDefaults()), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Configuration(func(r io.Reader) (kong.Resolver, error) {
			f, ok := r.(*os.File)
			if !ok {
				return nil, errors.New("the settings are not a file")
			}
			return loadYAML(f.Name())
		}),
		kong.Exit(exit),
	)
}

// exitPanic unwinds when kong wants to exit (after --help).
type exitPanic struct{}

// usageError is the error of wrong usage: exit status 2.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

func usage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}
