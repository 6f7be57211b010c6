package app

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/upkeep"
	"github.com/foretick/foretick/market"
)

// Config is everything `foretick serve` can be told. The struct is the one
// definition of its flags, of the environment variables FORETICK_* (the flag's name
// in capitals) and of the keys of the YAML file, in that order of precedence.
type Config struct {
	Addr  string `default:"127.0.0.1:8080" help:"Address to serve on. PORT, when set in the environment and no address is given, serves on that port of every address."`
	Data  string `default:"data" type:"path" help:"Folder that holds the database. It is created when missing."`
	Store string `default:"" placeholder:"URL" help:"PostgreSQL database to use instead of the one in the data folder: postgres://user:password@host/database. In FORETICK_STORE other users of the machine do not see the password."`

	Role string `default:"writer" enum:"writer,reader,standby" help:"writer follows markets, forecasts and stores. reader serves page, API and streams from what a writer stores, beside it; there may be many. standby is a reader that takes over when the writer has gone."`

	Feed    string   `default:"auto" enum:"auto,sim,replay,live" help:"Where prices come from: live (the venues that --instrument names), replay (recorded files), sim (a simulated market). auto: what the other settings ask for, sim when they ask for nothing."`
	File    []string `type:"path" sep:"none" help:"Recorded file to replay; may be given several times. Bars (time,open,high,low,close,volume), closes (time,close) or ticks (time,price,size), also .gz; or a recording of a feed (.frames.gz)."`
	Actions []string `sep:"none" placeholder:"FILE" help:"Splits and dividends of the replayed file: a CSV file (ex,kind,value). SYMBOL=FILE where there are several; may be given several times."`
	Speed   string   `default:"1" help:"Pace of a replay: a factor of real time, or max."`
	Start   string   `default:"" help:"Time (RFC 3339 or date) at which a replay starts; what is recorded before becomes history."`

	Sim  string `default:"realistic" enum:"realistic,classic" help:"Simulated market: realistic, or classic, the random walk of the original demo."`
	Seed uint64 `default:"1" help:"Seed of the simulated market. The same seed gives the same prices."`

	Instrument []string `help:"What to follow, several times for several, or comma separated: VENUE:SYMBOL@INTERVAL of a real venue, such as kraken:BTC/USD@1m (foretick feeds list shows the venues); or the symbols of the simulated market (default AMZN), or of each replayed file in order."`
	LiveConfig
	Retention
	Interval string   `default:"" help:"Length of a bar (1s, 1m, 1h, 1d ...). Default: 1s simulated; 1m of a venue; of a file, what its times show, 1m for ticks."`
	Rollup   []string `default:"1m,5m" help:"Coarser bars that are built, forecast and judged as well; those not coarser than the bars themselves are left out. none switches them off."`
	Timezone string   `default:"" help:"Zone of times in a file that name none, such as America/New_York."`
	Models   []string `default:"default" help:"Models in the race, comma separated; naive always joins. default: naive, ewma, garch, rangevol, auto and those that were imported or trained; all: every one."`
	Horizons int      `default:"5" help:"Forecasts are made 1 to this many bars ahead."`

	BroughtModels

	KeepTicks bool `help:"Keep the ticks that bars are built from, too. Bars and forecasts are always kept."`

	Grace time.Duration `default:"0s" help:"How long after its end a bar waits for late ticks before it is final. 0s: 50ms simulated or replayed, 1s from a venue."`

	InsecurePublic bool   `help:"Serve on other addresses than loopback without API keys. Everyone who can reach the address can read and post."`
	Profiling      bool   `help:"Let programs of this machine take profiles at /debug/pprof/ without a key. Where there are keys, those of the role admin may, and no other."`
	APIKeys        string `name:"api-keys" hidden:"" env:"FORETICK_API_KEYS" help:"Keys as name:role:secret, comma separated; role is read, write or admin."`
	PredictModel   string `default:"ewma" help:"Model that answers POST /predict_next_price where the request names none: ewma, or an imported price model."`
	PredictAPIURL  string `name:"predict-api-url" env:"PREDICT_API_URL" help:"Service that answers POST /predict instead of Foretick, by the same contract."`

	Telemetry

	Log string `default:"info" enum:"debug,info,warn,error" help:"Least severe log messages to write."`
}

// Retention says how long bars are kept.
type Retention struct {
	Retain []string `default:"1s=30d,ticks=7d" help:"How long the bars of an interval are kept, and ticks, comma separated: 1s=30d,1m=never,ticks=7d. Ages are days (d), weeks (w) or years (y) before the newest bar of the series, or never, as for intervals that are not named. Candles of charts, ledger and scores are kept for ever."`
}

// Policy reads the setting.
func (r Retention) Policy() (upkeep.Policy, error) {
	p, err := upkeep.ParsePolicy(r.Retain)
	if err != nil {
		return nil, fmt.Errorf("--retain: %w", err)
	}
	return p, nil
}

// Finish applies the rules that go beyond one flag and reports what is wrong, in
// words that say what to do.
func (c *Config) Finish(getenv func(string) string) error {
	if port := getenv("PORT"); port != "" && c.Addr == defaultAddr {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("PORT is %q: set it to a number from 1 to 65535, or unset it", port)
		}
		c.Addr = ":" + port
	}
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("--addr %q: %w; write HOST:PORT, such as %s", c.Addr, err, defaultAddr)
	}
	if !loopback(host) && c.APIKeys == "" && !c.InsecurePublic {
		return fmt.Errorf("--addr %s can be reached from other machines: set FORETICK_API_KEYS (name:role:secret, role read, write or admin), or pass --insecure-public if everyone who can reach it may use it", c.Addr)
	}
	if err := c.resolve(); err != nil {
		return err
	}
	if c.Feed == "replay" && len(c.File) == 0 {
		return fmt.Errorf("--feed replay needs at least one --file")
	}
	if c.Feed != "replay" && len(c.File) > 0 {
		return fmt.Errorf("--file is for --feed replay, not %s", c.Feed)
	}
	for _, f := range c.File {
		if _, err := os.Stat(f); err != nil {
			return fmt.Errorf("--file: %w", err)
		}
	}
	if len(c.Actions) > 0 && (c.Feed != "replay" || isRecording(c.File[0])) {
		return fmt.Errorf("--actions is for recorded files of prices; venues tell of splits themselves, or foretick import --actions does before the start")
	}
	if _, err := c.speed(); err != nil {
		return err
	}
	if _, err := c.start(); err != nil {
		return err
	}
	if c.Horizons < 1 || c.Horizons > 100 {
		return fmt.Errorf("--horizons %d: choose 1 to 100", c.Horizons)
	}
	if c.Grace < 0 || c.Grace > time.Minute {
		return fmt.Errorf("--grace %s: choose 0s to 1m", c.Grace)
	}
	if _, err := c.rollups(); err != nil {
		return err
	}
	if _, err := c.Retention.Policy(); err != nil {
		return err
	}
	if _, err := c.interval(); err != nil {
		return err
	}
	return c.Telemetry.finish(getenv)
}

// resolve says what auto means.
func (c *Config) resolve() error {
	real := slices.ContainsFunc(c.Instrument, onVenue)
	if c.Feed == "auto" || c.Feed == "" {
		switch {
		case real:
			c.Feed = "live"
		case len(c.File) > 0:
			c.Feed = "replay"
		default:
			c.Feed = "sim"
		}
	}
	recorded := len(c.File) > 0 && isRecording(c.File[0])
	if c.Grace == 0 {
		c.Grace = 50 * time.Millisecond
		if c.Feed == "live" || recorded {
			c.Grace = time.Second
		}
	}
	switch {
	case c.Feed == "live" && len(c.Instrument) == 0:
		return errors.New("--feed live needs at least one --instrument VENUE:SYMBOL@INTERVAL, such as kraken:BTC/USD@1m")
	case c.Feed != "live" && real:
		return fmt.Errorf("--instrument names a real venue: that is for --feed live, not %s", c.Feed)
	case c.Feed != "live" && c.Record != "":
		return fmt.Errorf("--record keeps what venues send: that is for --feed live, not %s", c.Feed)
	case recorded && c.Interval != "":
		return errors.New("--interval: a recording of a feed has the intervals at which it was recorded")
	case c.Feed == "sim":
		for _, i := range c.Instrument {
			if strings.Contains(i, ":") {
				_, err := catalog.NewVenue(i[:strings.Index(i, ":")], venue.Setup{})
				return fmt.Errorf("--instrument %.80q: %w", i, err)
			}
		}
	}
	return nil
}

// Place is where everything is kept.
func (c *Config) Place() Place { return Place{Data: c.Data, Store: c.Store} }

const defaultAddr = "127.0.0.1:8080"

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// speed is the pace of a replay, 0 for as fast as possible.
func (c *Config) speed() (float64, error) {
	if c.Speed == "max" {
		return 0, nil
	}
	v, err := strconv.ParseFloat(strings.TrimSuffix(c.Speed, "x"), 64)
	if err != nil || !(v > 0) || v > 1e9 {
		return 0, fmt.Errorf("--speed %q: write a factor such as 60, or max", c.Speed)
	}
	return v, nil
}

func (c *Config) start() (market.Time, error) {
	if c.Start == "" {
		return 0, nil
	}
	t, err := market.ParseTime(c.Start)
	if err != nil {
		return 0, fmt.Errorf("--start: %w", err)
	}
	return t, nil
}

func (c *Config) interval() (market.Interval, error) {
	if c.Interval == "" {
		return market.Interval{}, nil
	}
	i, err := market.ParseInterval(c.Interval)
	if err != nil {
		return i, fmt.Errorf("--interval: %w", err)
	}
	return i, nil
}

func (c *Config) rollups() ([]market.Interval, error) {
	var out []market.Interval
	for _, s := range c.Rollup {
		if s == "none" || s == "" {
			continue
		}
		i, err := market.ParseInterval(s)
		if err != nil {
			return nil, fmt.Errorf("--rollup: %w", err)
		}
		out = append(out, i)
	}
	return out, nil
}
