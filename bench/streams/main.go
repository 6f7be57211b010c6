// Command streams opens many event streams of a running foretick serve and says how
// long an event takes to reach them all: the delay of each stream behind the first one
// that got the event.
//
//	go run ./bench/streams -n 5000 -url http://127.0.0.1:8080 -series sim:AMZN@1s -for 20s
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	n := flag.Int("n", 1000, "streams")
	base := flag.String("url", "http://127.0.0.1:8080", "server")
	series := flag.String("series", "sim:AMZN@1s", "series to follow")
	span := flag.Duration("for", 20*time.Second, "how long to listen")
	flag.Parse()
	if err := run(*n, *base+"/v1/stream?series="+url.QueryEscape(*series), *span); err != nil {
		fmt.Fprintln(os.Stderr, "streams:", err)
		os.Exit(1)
	}
}

// arrivals gathers when events reached the streams.
type arrivals struct {
	mu    sync.Mutex
	first map[string]time.Time
	late  []time.Duration
}

func (a *arrivals) add(id string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first, ok := a.first[id]
	if !ok {
		first = at
		a.first[id] = at
	}
	a.late = append(a.late, max(at.Sub(first), 0))
}

func run(n int, address string, span time.Duration) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0, MaxIdleConnsPerHost: 0}}
	a := &arrivals{first: map[string]time.Time{}}
	var open atomic.Int64
	var counting atomic.Bool
	var streams sync.WaitGroup
	dialing := make(chan struct{}, 64) // connections being opened at once
	for range n {
		streams.Go(func() {
			dialing <- struct{}{}
			r, err := get(ctx, client, address)
			<-dialing
			if err != nil {
				return
			}
			defer r.Body.Close()
			open.Add(1)
			lines := bufio.NewReaderSize(r.Body, 8<<10)
			for {
				line, err := lines.ReadSlice('\n')
				if id, ok := bytes.CutPrefix(line, []byte("id: ")); ok && counting.Load() {
					a.add(string(bytes.TrimSpace(id)), time.Now())
				}
				if err != nil && err != bufio.ErrBufferFull {
					return
				}
			}
		})
	}
	for deadline := time.Now().Add(time.Minute); open.Load() < int64(n); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("only %d of %d streams opened", open.Load(), n)
		}
	}
	time.Sleep(2 * time.Second)
	counting.Store(true)
	time.Sleep(span)
	counting.Store(false)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.late) == 0 {
		return fmt.Errorf("no event arrived")
	}
	slices.Sort(a.late)
	at := func(q float64) time.Duration {
		return a.late[int(q*float64(len(a.late)-1))].Round(10 * time.Microsecond)
	}
	fmt.Printf("%d streams, %d events, %d deliveries (%.1f %% of all): behind the first stream p50 %s, p99 %s, max %s\n",
		n, len(a.first), len(a.late), 100*float64(len(a.late))/float64(len(a.first)*n), at(0.5), at(0.99), at(1))
	return nil
}

func get(ctx context.Context, client *http.Client, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r, err := client.Do(req)
	if err == nil && r.StatusCode != http.StatusOK {
		r.Body.Close()
		return nil, fmt.Errorf("the server answered %s", r.Status)
	}
	return r, err
}
