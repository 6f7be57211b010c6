package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// healthyCmd is for health checks of containers, whose image has no other program.
type healthyCmd struct {
	Addr string `default:"127.0.0.1:8080" help:"Address that foretick serve uses."`
}

func (c *healthyCmd) Run(t *terminal) error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return usage("--addr %q: %w; write HOST:PORT, such as 127.0.0.1:8080", c.Addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(t.ctx, 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	var ready struct{ Reason string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&ready); err != nil {
		return fmt.Errorf("%s answers %s, not as Foretick does: %w", c.Addr, r.Status, err)
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", ready.Reason)
	}
	_, err = fmt.Fprintln(t.stdout, "ready")
	return err
}
