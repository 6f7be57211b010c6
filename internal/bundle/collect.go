package bundle

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// Store is what a bundle reads of a store.
type Store interface {
	Series(ctx context.Context) ([]store.SeriesRecord, error)
	store.LedgerReader
	Quarantined(ctx context.Context, before uint64, limit int) ([]store.QuarantineRecord, error)
	QuarantineCount(ctx context.Context) (int, error)
}

// chain is what a bundle says of the ledger of a series.
type chain struct {
	Series  market.SeriesID `json:"series"`
	Entries uint64          `json:"entries"`
	Head    string          `json:"head"`
	Sound   bool            `json:"sound"`
	Fault   string          `json:"fault,omitempty"`
}

const page = 1000

// Ledger gives the head of every chain, and verifies each. begin is told each series
// and its number of entries before it is verified, add how many more have been.
func Ledger(ctx context.Context, st Store, begin func(market.SeriesID, uint64), add func(int64)) Part {
	p := Part{Name: "ledger.json"}
	all, err := st.Series(ctx)
	if err != nil {
		return p.fail(err)
	}
	chains := []chain{}
	for _, s := range all {
		head, _, err := st.Head(ctx, s.ID())
		if err != nil {
			return p.fail(err)
		}
		begin(s.ID(), head.Seq)
		c := chain{Series: s.ID(), Entries: head.Seq, Head: head.Hash.String()}
		if err := verify(ctx, st, s.ID(), head, add); err != nil {
			c.Fault = err.Error()
		} else {
			c.Sound = true
		}
		chains = append(chains, c)
	}
	return p.json(chains)
}

// verify walks a chain to the head that it had when that was read: it may grow meanwhile.
func verify(ctx context.Context, st Store, id market.SeriesID, head ledger.Head, add func(int64)) error {
	var v ledger.Verifier
	for from := uint64(1); from <= head.Seq; {
		list, err := st.Entries(ctx, id, store.EntryQuery{From: from, To: head.Seq + 1, Times: store.Range{Limit: page}})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		for _, s := range list {
			if err := v.Add(s); err != nil {
				return err
			}
		}
		add(int64(len(list)))
		from = list[len(list)-1].Seq + 1
	}
	if v.Head() != head {
		return fmt.Errorf("the chain ends at entry %d, its head is entry %d", v.Head().Seq, head.Seq)
	}
	return nil
}

// mostRejects bounds the rejected inputs that are looked at, the newest.
const mostRejects = 100_000

// numbers may be prices; what is quoted came from outside.
var numbers = regexp.MustCompile(`"[^"]*"|[-+]?[0-9][0-9.,:eE+TZ-]*`)

// Quarantine counts why inputs were rejected: no input, and no number of a reason.
func Quarantine(ctx context.Context, st Store) Part {
	p := Part{Name: "quarantine.json"}
	total, err := st.QuarantineCount(ctx)
	if err != nil {
		return p.fail(err)
	}
	counts := map[string]int{}
	looked := 0
	for before := uint64(0); looked < mostRejects; {
		list, err := st.Quarantined(ctx, before, page)
		if err != nil {
			return p.fail(err)
		}
		for _, r := range list {
			counts[numbers.ReplaceAllString(r.Reason, "#")]++
		}
		looked += len(list)
		if len(list) < page {
			break
		}
		before = list[len(list)-1].Num
	}
	type reason struct {
		Reason string `json:"reason"`
		Count  int    `json:"count"`
	}
	out := struct {
		Total   int      `json:"total"`
		Looked  int      `json:"looked_at"`
		Reasons []reason `json:"reasons"`
	}{total, looked, []reason{}}
	for _, why := range slices.Sorted(maps.Keys(counts)) {
		out.Reasons = append(out.Reasons, reason{why, counts[why]})
	}
	slices.SortStableFunc(out.Reasons, func(a, b reason) int { return cmp.Compare(b.Count, a.Count) })
	return p.json(out)
}

// answerLimit bounds one answer of a server in time, mostAnswer in bytes.
const (
	answerLimit = 10 * time.Second
	mostAnswer  = 32 << 20
)

// Server asks a running server for what it says of itself. Where it does not answer, or the
// key does not suffice, the parts say so.
func Server(ctx context.Context, base, key string) (parts []Part) {
	var gone error
	for _, q := range []struct{ name, path string }{
		{"server/ready.json", "/readyz"}, {"server/status.json", "/v1/status"}, {"server/feeds.json", "/v1/feeds"},
		{"server/metrics.txt", "/metrics"}, {"server/goroutines.txt", "/debug/pprof/goroutine?debug=1"},
	} {
		p := Part{Name: q.name}
		if gone != nil {
			p.Left = "nobody answers at " + base
			parts = append(parts, p)
			continue
		}
		body, code, err := ask(ctx, base+q.path, key)
		switch {
		case err != nil:
			gone = err
			p.Left = fmt.Sprintf("nobody answers at %s: %v", base, err)
		case q.name == "server/ready.json" && code == http.StatusServiceUnavailable, code == http.StatusOK:
			p.Body = body
		case code == http.StatusUnauthorized:
			p.Left = "the server wants a key: set FORETICK_API_KEY"
		case strings.HasPrefix(q.path, "/debug/") && code == http.StatusNotFound:
			p.Left = "profiles are for keys of the role admin, or for a server without keys that runs with --profiling"
		default:
			p.Left = fmt.Sprintf("the server answered with status %d", code)
		}
		parts = append(parts, p)
	}
	return parts
}

func ask(ctx context.Context, address, key string) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	// A redirect would carry the key to where nobody said.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	return b, resp.StatusCode, err
}

// JSON is a part that holds v.
func JSON(name string, v any) Part { return Part{Name: name}.json(v) }

// Failed is a part that there is not, for a reason.
func Failed(name string, err error) Part { return Part{Name: name}.fail(err) }

func (p Part) json(v any) Part {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return p.fail(err)
	}
	p.Body = append(b, '\n')
	return p
}

func (p Part) fail(err error) Part {
	p.Left = err.Error()
	return p
}
