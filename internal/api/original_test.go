package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/store/storetest"
)

const seven = `{"prices":[1,2,3,4,5,6,7.5]}`

func TestStockData(t *testing.T) {
	w := newWorld(t)
	wantProblem(t, w.do("GET", "/stock_data", ""), 404, "no bar yet")
	w.history(4)
	last, err := w.store.LastEvent(t.Context())
	must(t, err)
	b := storetest.Bar(amzn, 3, 0)
	for range 3 {
		got := get200[map[string]any](w, "/stock_data")
		if len(got) != 5 || got["timestamp"] != b.Start.String() || got["open"] != b.Open || got["high"] != b.High || got["low"] != b.Low || got["close"] != b.Close {
			t.Fatalf("answer %v, want %+v", got, b)
		}
	}
	if now, err := w.store.LastEvent(t.Context()); err != nil || now != last {
		t.Fatal("reading advances the market")
	}
}

var badPrices = []struct {
	name, body, want string
}{
	{"six", `{"prices":[1,2,3,4,5,6]}`, "7 lookback prices are required."},
	{"eight", `{"prices":[1,2,3,4,5,6,7,8]}`, "7 lookback prices are required."},
	{"none", `{"prices":[]}`, "7 lookback prices are required."},
	{"missing", `{}`, "7 lookback prices are required."},
	{"null", `{"prices":null}`, "7 lookback prices are required."},
	{"a million", `{"prices":[` + strings.Repeat("1,", 400_000) + `1]}`, "7 lookback prices are required."},
	{"empty body", "", "not JSON"},
	{"no JSON", "prices=1", "not JSON"},
	{"half JSON", `{"prices":[1,2`, "not JSON"},
	{"a list", `[1,2,3,4,5,6,7]`, "not JSON"},
	{"an object", `{"prices":{"a":1}}`, "not JSON"},
	{"two documents", seven + seven, "something follows"},
	{"rubbish behind", seven + "x", "something follows"},
	{"NaN", `{"prices":[1,2,3,4,5,6,NaN]}`, "not JSON"},
	{"Infinity", `{"prices":[1,2,3,4,5,6,Infinity]}`, "not JSON"},
	{"a string", `{"prices":[1,2,3,4,5,6,"7"]}`, "price 7 is not a number"},
	{"a null", `{"prices":[1,null,3,4,5,6,7]}`, "price 2 is not a number"},
	{"true", `{"prices":[true,2,3,4,5,6,7]}`, "price 1 is not a number"},
	{"nested", `{"prices":[[1],2,3,4,5,6,7]}`, "price 1 is not a number"},
	{"deeply nested", `{"prices":` + strings.Repeat("[", 20_000), "not JSON"},
	{"past float64", `{"prices":[1,2,3,4,5,6,1e999]}`, "price 7 is not a number"},
	{"1e300", `{"prices":[1,2,3,4,5,6,1e300]}`, "price 7 is not above zero"},
	{"negative", `{"prices":[1,2,3,-4,5,6,7]}`, "price 4 is not above zero"},
	{"zero", `{"prices":[0,2,3,4,5,6,7]}`, "price 1 is not above zero"},
	{"minus zero", `{"prices":[-0.0,2,3,4,5,6,7]}`, "price 1 is not above zero"},
	{"too small for float64", `{"prices":[1e-400,2,3,4,5,6,7]}`, "price 1"},
}

func TestPredict(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/predict", "/predict_next_price"} {
		for _, body := range []string{seven, " \n" + seven + "\n", `{"prices":[1e0,2,3,4,5,6,7.50],"more":[1]}`} {
			a := w.do("POST", path, body, "Content-Type", "application/json")
			if a.StatusCode != 200 || string(a.body) != `{"result":7.62346}` || a.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%s: %d %s", path, a.StatusCode, a.body)
			}
		}
		for _, c := range badPrices {
			t.Run(path[1:]+" of "+c.name, func(t *testing.T) {
				p := wantProblem(t, w.do("POST", path, c.body), 422, c.want)
				if p.Error != p.Detail {
					t.Errorf("error %q, detail %q", p.Error, p.Detail)
				}
			})
		}
		a := w.do("POST", path, `{"prices":[1`+strings.Repeat(" ", maxBody)+`]}`)
		if p := wantProblem(t, a, 413, "1 MiB"); p.Error == "" {
			t.Error("no error field")
		}
	}
}

// The model may be named in the body and in the query.
func TestPredictModel(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, query, body string
		status            int
		want              string
	}{
		{"in the body", "", `{"prices":[3,4],"model":"first"}`, 200, `{"result":3}`},
		{"in the body, first", "", `{"model":"first","prices":[3,4]}`, 200, `{"result":3}`},
		{"escaped", "", `{"prices":[3,4],"model":"f\u0069rst"}`, 200, `{"result":3}`},
		{"in the query", "?model=first", `{"prices":[3,4]}`, 200, `{"result":3}`},
		{"in both", "?model=first", `{"prices":[3,4],"model":"first"}`, 200, `{"result":3}`},
		{"the default by name", "?model=usual", seven, 200, `{"result":7.62346}`},
		{"nothing", "?model=", `{"prices":[1,2,3,4,5,6,7.5],"model":""}`, 200, `{"result":7.62346}`},
		{"null", "", `{"prices":[1,2,3,4,5,6,7.5],"model":null}`, 200, `{"result":7.62346}`},
		{"its own count", "?model=first", seven, 422, "2 lookback prices are required."},
		{"unknown", "?model=oracle", seven, 404, `no model "oracle" that forecasts from prices alone; there are usual, first`},
		{"a contradiction", "?model=first", `{"prices":[3,4],"model":"usual"}`, 422, `the query asks for the model "first", the body for "usual"`},
		{"a number", "", `{"prices":[3,4],"model":3}`, 422, "not JSON of the form"},
		{"a broken query", "?model=%zz", seven, 422, "the query cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.do("POST", "/predict_next_price"+c.query, c.body)
			if c.status == 200 {
				if a.StatusCode != 200 || string(a.body) != c.want {
					t.Fatalf("%d %s, want %s", a.StatusCode, a.body, c.want)
				}
				return
			}
			if p := wantProblem(t, a, c.status, c.want); p.Error != p.Detail {
				t.Errorf("problem %+v", p)
			}
		})
	}
}

func TestPredictThatCannot(t *testing.T) {
	for _, c := range []struct {
		name string
		p    float64
		err  error
		want string
	}{
		{"an error", 0, errors.New("the prices do not move"), "do not move"},
		{"not a number", math.NaN(), nil, "no number"},
		{"infinite", math.Inf(1), nil, "no number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(cfg *Config) {
				cfg.Predictors = predictors(func(context.Context, []float64) (float64, error) { return c.p, c.err })
			})
			if p := wantProblem(t, w.do("POST", "/predict", seven), 422, c.want); p.Error != p.Detail {
				t.Errorf("problem %+v", p)
			}
		})
	}
}

// remote is an external prediction service that answers as it is told.
func remote(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		s.Close()
	})
	return s.URL + "/"
}

func TestPredictElsewhere(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		code         int
		status       int
		want         string
	}{
		{"a number", `{"result": 12.3456789}`, 200, 200, `{"result":12.34568}`},
		{"its error", `{"error": "7 lookback prices are required."}`, 200, 502, "refused: 7 lookback"},
		{"its failure", `{"result": 1}`, 500, 502, "answered 500"},
		{"no result", `{}`, 200, 502, "without a result"},
		{"null", `{"result": null}`, 200, 502, "without a result"},
		{"a string", `{"result": "1"}`, 200, 502, "not JSON"},
		{"a page", `<html>`, 200, 502, "not JSON"},
		{"more than fits", `{"x":"` + strings.Repeat("y", maxAnswer) + `","result":1}`, 200, 502, "not JSON"},
		{"past every price", `{"result": 1e308}`, 200, 502, "no number"},
		{"a long error", `{"error": "` + strings.Repeat("z", 5000) + `"}`, 200, 502, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := remote(t, func(rw http.ResponseWriter, r *http.Request) {
				var in struct{ Prices []float64 }
				if b, err := io.ReadAll(r.Body); err != nil || json.Unmarshal(b, &in) != nil || len(in.Prices) != 7 || r.URL.Path != "/predict_next_price" || r.Method != "POST" {
					t.Errorf("it was asked %s %s %s", r.Method, r.URL.Path, b)
				}
				rw.WriteHeader(c.code)
				_, _ = io.WriteString(rw, c.answer)
			})
			w := newWorld(t, func(cfg *Config) { cfg.PredictURL = url })
			a := w.do("POST", "/predict", seven)
			if c.status == 200 {
				if a.StatusCode != 200 || string(a.body) != c.want {
					t.Fatalf("%d %s", a.StatusCode, a.body)
				}
			} else if p := wantProblem(t, a, c.status, c.want); p.Error != p.Detail || len(a.body) > 1000 {
				t.Errorf("problem %s", a.body)
			}
			if a := w.do("POST", "/predict_next_price", seven); string(a.body) != `{"result":7.62346}` {
				t.Errorf("/predict_next_price goes elsewhere too: %s", a.body)
			}
			if a := w.do("POST", "/predict", `{"prices":[1]}`); a.StatusCode != 422 {
				t.Errorf("bad prices are sent on: %d", a.StatusCode)
			}
		})
	}
}

func TestPredictElsewhereOutOfReach(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	secret := strings.Replace(gone.URL, "http://", "http://user:hunter2@", 1)
	w := newWorld(t, func(cfg *Config) { cfg.PredictURL = secret })
	wantProblem(t, w.do("POST", "/predict", seven), 502, "cannot be reached")
	if strings.Contains(w.logs.String(), "hunter2") {
		t.Error("the log has the password of the address")
	}
	w = newWorld(t, func(cfg *Config) { cfg.PredictURL = "::no address::" })
	wantProblem(t, w.do("POST", "/predict", seven), 502, "PREDICT_API_URL")
}

func TestPredictElsewhereTooSlow(t *testing.T) {
	hold := make(chan struct{})
	url := remote(t, func(http.ResponseWriter, *http.Request) { <-hold })
	defer close(hold)
	w := newWorld(t, func(cfg *Config) { cfg.PredictURL = url })
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if _, status, err := w.srv.ask(ctx, question{prices: make([]float64, 7)}); status != 504 || err == nil {
		t.Fatalf("status %d, %v", status, err)
	}
}

func FuzzQuestion(f *testing.F) {
	for _, c := range badPrices {
		if len(c.body) < 1000 {
			f.Add(c.body)
		}
	}
	f.Add(seven)
	f.Add(`{"model":"original","prices":[1.5e2,0.1,12]}`)
	f.Add(`{"prices":[01,1.,.5,1e,+1],"prices":[1],"model":"\u0061"}`)
	f.Fuzz(func(t *testing.T, body string) {
		m := &room{body: []byte(body)}
		q, err := m.parse()
		if err != nil {
			if len(err.Error()) > 200 {
				t.Fatalf("a long error: %v", err)
			}
			return
		}
		for _, p := range q.prices {
			if !(p > 0) || p > maxPrice {
				t.Fatalf("price %v", p)
			}
		}
		// The quick way reads what encoding/json reads.
		var want struct {
			Prices *[]float64
			Model  *string
		}
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatalf("%q is taken; encoding/json says %v", body, err)
		}
		var prices []float64
		if want.Prices != nil {
			prices = *want.Prices
		}
		model := ""
		if want.Model != nil {
			model = *want.Model
		}
		if !slices.Equal(q.prices, prices) || q.model != model {
			t.Fatalf("%q is read as %+v, encoding/json reads %v of %q", body, q, prices, model)
		}
	})
}
