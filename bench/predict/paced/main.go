// Command paced asks a prediction service at a steady rate and says how long the answers
// took, each counted from the instant at which its question was due, or from when it was sent
// where only this program's timer was late: a service that falls behind is not asked less often.
//
//	go run ./bench/predict/paced -url http://127.0.0.1:8080/predict_next_price -connections 8 -rate 10000 -for 10s
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

const body = `{"prices":[120,121.4,126.9,128.0,127.8,129.1,130.1]}`

func main() {
	address := flag.String("url", "http://127.0.0.1:8080/predict_next_price", "what is asked")
	connections := flag.Int("connections", 8, "connections")
	rate := flag.Float64("rate", 10_000, "questions a second, of all connections together")
	span := flag.Duration("for", 10*time.Second, "how long")
	flag.Parse()
	if err := run(*address, *connections, *rate, *span); err != nil {
		fmt.Fprintln(os.Stderr, "paced:", err)
		os.Exit(1)
	}
}

func run(address string, connections int, rate float64, span time.Duration) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	took := make([][]time.Duration, connections)
	start := time.Now().Add(100 * time.Millisecond)
	gap := time.Duration(float64(connections) / rate * float64(time.Second))
	var g errgroup.Group
	for i := range connections {
		first := start.Add(gap * time.Duration(i) / time.Duration(connections))
		g.Go(func() (err error) {
			took[i], err = ask(u, first, gap, int(span/gap))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	at := func(q float64) time.Duration { return all[int(q*float64(len(all)-1))] }
	fmt.Printf("  %2d connections, %.0f questions a second: p50 %s, p99 %s, p99.9 %s, most %s\n", connections, rate, at(0.5), at(0.99), at(0.999), all[len(all)-1])
	return nil
}

// ask asks n questions over one connection, one every gap.
func ask(u *url.URL, first time.Time, gap time.Duration, n int) ([]time.Duration, error) {
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	question := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", u.RequestURI(), u.Host, len(body), body)
	r := bufio.NewReader(c)
	took := make([]time.Duration, n)
	for i := range took {
		due := first.Add(time.Duration(i) * gap)
		if ahead := time.Until(due); ahead > 0 {
			time.Sleep(ahead)
			due = time.Now() // that this program overslept is not the service's fault
		}
		if _, err := c.Write(question); err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("answer %d: %s, %v", i, resp.Status, err)
		}
		took[i] = time.Since(due)
	}
	return took, nil
}
