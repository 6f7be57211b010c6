package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/bundle"
	"github.com/foretick/foretick/market"
)

// bundle writes what someone who helps needs to know, without secrets and prices.
func (c *doctorCmd) bundle(t *terminal, findings []finding) error {
	var settings map[string]any
	if t.config != "" {
		y, err := loadYAML(t.config)
		if err != nil {
			return err
		}
		settings = y.values
	}
	environ := os.Environ()
	red := bundle.NewRedactor(environ, settings)
	red.AddSettings(c.Store, c.Key)

	var report bytes.Buffer
	for _, f := range findings {
		fmt.Fprintln(&report, f)
	}
	parts := []bundle.Part{
		{Name: "doctor.txt", Body: report.Bytes()},
		bundle.JSON("version.json", app.Build()),
		{Name: "settings.txt", Body: bundle.Settings(environ, settings)},
	}
	parts = append(parts, c.stored(t)...)
	parts = append(parts, bundle.Server(t.ctx, serverURL(c.Addr), c.Key)...)
	parts = append(parts, bundle.Part{Name: "log.txt", Left: "foretick serve writes its log to standard error, not to a file: ask what runs it (journalctl -u foretick, docker logs, kubectl logs), and read it before you send it"})
	err := writeOut(t, c.Bundle, func(w io.Writer) error { return bundle.Write(w, parts, red, time.Now()) })
	if err == nil {
		_, err = t.stdout.Write(red.Clean([]byte(bundle.Contents(parts))))
	}
	return err
}

// stored are the parts about the database.
func (c *doctorCmd) stored(t *terminal) []bundle.Part {
	names := []string{"database.json", "ledger.json", "quarantine.json"}
	none := func(err error) (parts []bundle.Part) {
		for _, n := range names {
			parts = append(parts, bundle.Failed(n, err))
		}
		return parts
	}
	info, err := inspected(t, c.Place)
	if err != nil {
		return none(err)
	}
	parts := []bundle.Part{bundle.JSON(names[0], info)}
	names = names[1:]
	st, err := c.OpenReadOnly(t.ctx)
	if err != nil {
		return append(parts, none(err)...)
	}
	defer st.Close()
	var bar *meter
	led := bundle.Ledger(t.ctx, st, func(id market.SeriesID, entries uint64) {
		if bar != nil {
			bar.done()
		}
		bar = progress(t, int64(entries), "verifying "+string(id))
	}, func(n int64) { bar.add(n) })
	if bar != nil {
		bar.done()
	}
	return append(parts, led, bundle.Quarantine(t.ctx, st))
}

// serverURL is where a server that listens on addr answers on this machine.
func serverURL(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "http://" + addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// checkBundle refuses a name that promises another format.
func (c *doctorCmd) checkBundle() error {
	if c.Bundle != "" && !strings.HasSuffix(c.Bundle, ".zip") {
		return usage("--bundle %s: it is a zip archive, end its name in .zip", c.Bundle)
	}
	return nil
}
