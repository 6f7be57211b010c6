package ingest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// Waits between attempts to run a source, and between attempts to use the store.
const (
	sourceWait    = 500 * time.Millisecond
	sourceWaitMax = 30 * time.Second
	storeWait     = 50 * time.Millisecond
	storeWaitMax  = 2 * time.Second
	// storePatience is how long the store may take before that is shown.
	storePatience = 2 * time.Second
	// steady is how long a source must have run for its next failure to count as
	// the first again.
	steady = time.Minute
)

// ended tells the loop that the source returned. The loop commits everything that
// the source sent, acts on the new state, and closes done.
type ended struct {
	state  feed.State
	detail string
	done   chan struct{}
}

// supervise runs the source until ctx is done or it has finished, starting it again
// after a failure. It owns and closes p.in.
func (p *pipeline) supervise(ctx context.Context) {
	defer close(p.in)
	for attempt := 0; ; attempt++ {
		started := p.cfg.Now()
		err := p.runSource(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			p.tell(ended{state: feed.Finished})
			return
		}
		if errors.Is(err, feed.ErrFinal) {
			p.log.Error("the source is refused for good; it is not started again", "err", err)
			p.tell(ended{state: feed.Failed, detail: err.Error()})
			<-ctx.Done()
			return
		}
		if p.cfg.Now().Sub(started) >= steady {
			attempt = 0
		}
		wait := p.backoff(attempt, sourceWait, sourceWaitMax)
		p.log.Warn("the source failed and is started again", "err", err, "wait", wait)
		p.tell(ended{state: feed.Failed, detail: fmt.Sprintf("%v; trying again in %s", err, wait.Round(100*time.Millisecond))})
		if !sleep(ctx, wait) {
			return
		}
		p.metrics.reconnects.Inc()
	}
}

// runSource runs the source once. A panic in it is an error like another.
func (p *pipeline) runSource(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p.log.Error("the source panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("the source panicked: %v", r)
		}
	}()
	return p.src.Run(ctx, p.health.resume, p.in)
}

// tell hands e to the loop and waits until the loop has acted on it or ended.
func (p *pipeline) tell(e ended) {
	e.done = make(chan struct{})
	select {
	case p.ended <- e:
	case <-p.closed:
		return
	}
	select {
	case <-e.done:
	case <-p.closed:
	}
}

// backoff is an exponential wait with full jitter: a random part of first doubled
// attempt times, at most longest.
func (p *pipeline) backoff(attempt int, first, longest time.Duration) time.Duration {
	d := longest
	if attempt < 16 {
		d = min(longest, first<<attempt)
	}
	return max(10*time.Millisecond, time.Duration(p.cfg.Rand()*float64(d)))
}

// retry calls f until it succeeds, with growing waits, and shows the trouble
// meanwhile. It gives up only when ctx is done.
func (p *pipeline) retry(ctx context.Context, what string, f func(context.Context) error) error {
	call := p.health.began()
	notice := p.notice("feed", p.info.Name)
	told := make(chan struct{})
	late := time.AfterFunc(storePatience, func() {
		defer close(told)
		if p.health.slow(call, market.TimeOf(p.cfg.Now())) {
			p.log.Warn("the store does not answer; the feed waits", "doing", what, "for", storePatience)
			p.cfg.Bus.Publish(notice)
		}
	})
	defer func() {
		if !late.Stop() {
			<-told // nothing is said after Run has returned
		}
	}()
	var last error
	for attempt := 0; ; attempt++ {
		err := f(ctx)
		if err == nil {
			if p.health.ended() {
				p.log.Info("the store works again", "after", what)
				p.notify("feed", p.info.Name)
			}
			return nil
		}
		if ctx.Err() != nil {
			if last != nil {
				err = last // what kept it from being done, rather than the end of ctx
			}
			return fmt.Errorf("ingest: %s for %s: %w", what, p.info.Name, err)
		}
		last = err
		p.metrics.retries.Inc()
		if p.health.setTrouble(explain(err), market.TimeOf(p.cfg.Now())) {
			p.log.Error("the store failed; the feed waits", "doing", what, "err", err)
			p.notify("feed", p.info.Name)
		}
		sleep(ctx, p.backoff(attempt, storeWait, storeWaitMax))
	}
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
