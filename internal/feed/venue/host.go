package venue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/foretick/foretick/market"
)

// Host keeps the limits of one REST host, for all who ask it. It is safe for concurrent use.
type Host struct {
	client *http.Client
	now    func() time.Time
	paced  func(time.Duration) time.Duration

	limit *rate.Limiter
	mu    sync.Mutex
	until time.Time // nobody asks before
	final error     // the host will not answer any more

	answerer Answerer
	meter    Meter
	left     float64   // of the rate, as the host said last
	leftTill time.Time // until when that says anything
	strikes  int       // answers of 429 without Retry-After in a row
}

// Meter is an Adapter of a venue whose answers say how much of its rate is used, by whoever shares
// our address.
type Meter interface {
	// Left returns the share of the rate that is left, which holds for a minute, and for how long
	// nobody should ask; ok is false when the headers of an answer do not say.
	Left(h http.Header, now time.Time) (share float64, wait time.Duration, ok bool)
}

// maxAnswer bounds an answer.
const maxAnswer = 32 << 20

// answerLimit is how long an answer may take.
const answerLimit = 30 * time.Second

// newHost returns a host that takes so many requests a second, burst at once.
func newHost(client *http.Client, perSecond float64, burst int, now func() time.Time, paced func(time.Duration) time.Duration) *Host {
	return &Host{client: client, now: now, paced: paced, limit: rate.NewLimiter(rate.Limit(perSecond), max(1, burst))}
}

// headroom is the share of the rate that is left.
func (h *Host) headroom() float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.final != nil || h.now().Before(h.until) {
		return 0
	}
	share := max(0, min(1, h.limit.TokensAt(h.now())/float64(h.limit.Burst())))
	if h.now().Before(h.leftTill) {
		share = min(share, h.left)
	}
	return share
}

// refusedFor keeps everybody from asking for d.
func (h *Host) refusedFor(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.now().Add(d); t.After(h.until) {
		h.until = t
	}
}

// wait waits for the turn of a request.
func (h *Host) wait(ctx context.Context, weight int) error {
	for {
		now := h.now()
		h.mu.Lock()
		final, left := h.final, h.until.Sub(now)
		h.mu.Unlock()
		if final != nil {
			return final
		}
		if left <= 0 {
			break
		}
		if !sleep(ctx, h.paced(left)) {
			return ctx.Err()
		}
	}
	// By the injected clock, so that tests need not wait.
	r := h.limit.ReserveN(h.now(), min(max(1, weight), h.limit.Burst()))
	if d := r.DelayFrom(h.now()); d > 0 && !sleep(ctx, h.paced(d)) {
		return ctx.Err()
	}
	return nil
}

// metered heeds what an answer says about the rate.
func (h *Host) metered(head http.Header) {
	if h.meter == nil {
		return
	}
	now := h.now()
	share, wait, ok := h.meter.Left(head, now)
	if !ok {
		return
	}
	h.mu.Lock()
	h.left, h.leftTill = share, now.Add(time.Minute)
	h.mu.Unlock()
	if wait > 0 {
		h.refusedFor(wait)
	}
}

// tooMany is how long a host is left alone that says 429 without saying for how long.
const tooMany = 30 * time.Second

// get makes a request whose turn it is, and returns the body of the answer and when the host says
// that it was sent, 0 when it does not say. Errors name the address without its secrets. They wrap
// ErrFinal when asking again is of no use.
func (h *Host) get(ctx context.Context, r Request) ([]byte, market.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	address := r.URL
	if len(r.Secret) > 0 {
		sep := "?"
		if strings.Contains(address, "?") {
			sep = "&"
		}
		address += sep + r.Secret.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: the address of %s cannot be used", ErrFinal, plain(r.URL))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "foretick")
	for k, v := range r.Header {
		req.Header[k] = v
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("%s does not answer: %w", plain(r.URL), without(err))
	}
	defer resp.Body.Close()
	h.metered(resp.Header)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, 0, fmt.Errorf("the answer of %s broke off: %w", plain(r.URL), without(err))
	}
	if len(body) > maxAnswer {
		return nil, 0, fmt.Errorf("%w: %s answers with more than %d MiB", ErrAnswer, plain(r.URL), maxAnswer>>20)
	}
	for _, list := range r.Secret { // some venues quote the key
		for _, v := range list {
			if len(v) >= 6 {
				body = bytes.ReplaceAll(body, []byte(v), []byte("***"))
			}
		}
	}
	return body, dateOf(resp.Header), h.judge(plain(r.URL), resp, body)
}

// dateOf is when an answer was made, as its header says; caches say how long they kept it.
func dateOf(h http.Header) market.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	if age, err := strconv.Atoi(h.Get("Age")); err == nil && age > 0 && age < 1<<20 {
		t = t.Add(time.Duration(age) * time.Second)
	}
	return market.TimeOf(t)
}

// reads reports whether the venue's adapter makes sense of an answer whose status is not 200.
func (h *Host) reads(resp *http.Response, body []byte) bool {
	return h.answerer != nil && resp.Header.Get("Retry-After") == "" && h.answerer.Answers(resp.StatusCode, body)
}

// judge says what is wrong with an answer.
func (h *Host) judge(address string, resp *http.Response, body []byte) error {
	begins := fmt.Sprintf("%.120q", bytes.TrimSpace(body))
	if resp.StatusCode != http.StatusOK && h.reads(resp, body) {
		return nil
	}
	if resp.StatusCode == http.StatusOK {
		h.strikes = 0
	}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests || code == http.StatusTeapot:
		left := retryAfter(resp.Header.Get("Retry-After"), h.now())
		if resp.Header.Get("Retry-After") == "" {
			left = min(left<<min(h.strikes, 10), time.Hour)
			h.strikes++
		}
		h.refusedFor(left)
		return fmt.Errorf("%s answers %d: too many requests; it is left alone for %s", address, code, left.Round(time.Second))
	case code == http.StatusUnavailableForLegalReasons:
		err := fmt.Errorf("%w: %s answers 451: not available from where this machine is: %s", ErrFinal, address, begins)
		h.mu.Lock()
		h.final = err
		h.mu.Unlock()
		return err
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w: %s answers %d (is the key right, and does it cover this?): %s", ErrFinal, address, code, begins)
	case code == http.StatusNotFound || code == http.StatusBadRequest:
		return fmt.Errorf("%w: %s answers %d (is the symbol right?): %s", ErrFinal, address, code, begins)
	case code == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		h.refusedFor(retryAfter(resp.Header.Get("Retry-After"), h.now()))
		fallthrough
	case code != http.StatusOK:
		return fmt.Errorf("%s answers %d: %s", address, code, begins)
	}
	if b := bytes.TrimSpace(body); len(b) == 0 || b[0] == '<' || strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return fmt.Errorf("%w: %s answers with a page instead of data: %s", ErrAnswer, address, begins)
	}
	return nil
}

// retryAfter reads the header (RFC 9110, section 10.2.3), which need not be there.
func retryAfter(v string, now time.Time) time.Duration {
	d := tooMany
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		d = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, time.Second), time.Hour)
}

// plain is an address without user and query.
func plain(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the venue"
	}
	return u.Host + u.Path
}

// without takes the address, which may hold secrets, out of an error of net/http.
func without(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// sleep waits for d and reports whether ctx is still good.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
