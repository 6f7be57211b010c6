package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// remote is a Foretick that runs somewhere, or a service of the original's contract.
type remote struct {
	host string
	key  string
}

// remoteLimit is how long an answer may take.
const remoteLimit = time.Minute

// maxRemote bounds an answer.
const maxRemote = 1 << 20

// post sends a body and returns the answer, with an error in words when it is a refusal.
func (r remote) post(ctx context.Context, path, kind string, body []byte) ([]byte, error) {
	u, err := url.Parse(r.host)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage("--host %q: write an address such as http://localhost:8080", r.host)
	}
	ctx, cancel := context.WithTimeout(ctx, remoteLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(r.host, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, usage("--host %q: %w", r.host, err)
	}
	req.Header.Set("Content-Type", kind)
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("nobody answers at %s: %w", u.Redacted(), err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxRemote))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s broke off: %w", u.Redacted(), err)
	}
	// The original answered its refusals with 200.
	var p struct{ Detail, Error string }
	_ = json.Unmarshal(b, &p) // what is no JSON has no words of its own
	if resp.StatusCode/100 == 2 && p.Error == "" {
		return b, nil
	}
	for _, words := range []string{p.Detail, p.Error, http.StatusText(resp.StatusCode)} {
		if words != "" {
			if resp.StatusCode == http.StatusUnauthorized && r.key == "" {
				words += "; set FORETICK_API_KEY"
			}
			return nil, fmt.Errorf("%s refused (%d): %.300s", u.Redacted(), resp.StatusCode, words)
		}
	}
	return nil, fmt.Errorf("%s refused (%d)", u.Redacted(), resp.StatusCode)
}
