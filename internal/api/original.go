package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// Lookback is the number of prices that the original service takes.
const Lookback = 7

const (
	// predictLimit is how long the external service may take; Server.predictLimit
	// begins with it.
	predictLimit = 5 * time.Second
	// maxAnswer bounds its answer.
	maxAnswer = 64 << 10
)

// StockData is what the original GET /stock_data answers.
type StockData struct {
	Timestamp market.Time `json:"timestamp" doc:"Start of the bar."`
	Open      float64     `json:"open"`
	High      float64     `json:"high"`
	Low       float64     `json:"low"`
	Close     float64     `json:"close"`
}

func (s *Server) originalRoutes() {
	huma.Register(s.doc, get("stock-data", "/stock_data", "original", "The latest bar of the default series",
		"The contract of the original demo. Reading it does not advance the market."), s.stockData)
	for _, path := range []string{"/predict", "/predict_next_price"} {
		op := huma.Operation{OperationID: strings.ReplaceAll(path[1:], "_", "-"), Method: http.MethodPost, Path: path, Tags: []string{"original"},
			Summary:     "The next price after a list of prices",
			Description: fmt.Sprintf("The contract of the original demo: prices, oldest first, as many as the model takes; %d for those that Foretick brings. The model may be named in the body or in the query; imported price models are among those there are. Every error carries the original's field error too.", Lookback),
			Parameters:  []*huma.Param{{Name: "model", In: "query", Description: "Model that answers, where the body names none.", Schema: &huma.Schema{Type: "string"}}},
			Security:    []map[string][]string{{"key": {}}, {}},
			RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
				Type: "object", Required: []string{"prices"}, Properties: map[string]*huma.Schema{
					"prices": {Type: "array", Items: &huma.Schema{Type: "number"}, Examples: []any{[]float64{120, 121.4, 126.9, 128.0, 127.8, 129.1, 130.1}}},
					"model":  {Type: "string", Description: "Model that answers; left out: the one that --predict-model names.", Examples: []any{"original"}}}}}}},
			Responses: map[string]*huma.Response{"200": {Description: "The forecast.", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
				Type: "object", Required: []string{"result"}, Properties: map[string]*huma.Schema{"result": {Type: "number", Description: "Rounded to 5 decimals."}}}}}}},
		}
		failures := []int{http.StatusUnauthorized, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}
		answer := s.predict
		if path == "/predict" && s.cfg.PredictURL != "" {
			answer = s.forward
			failures = append(failures, http.StatusBadGateway, http.StatusGatewayTimeout)
		}
		for _, code := range failures {
			op.Responses[strconv.Itoa(code)] = &huma.Response{Description: http.StatusText(code), Content: map[string]*huma.MediaType{
				"application/problem+json": {Schema: s.doc.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "Problem")}}}
		}
		// Not by huma: these answer every kind of bad body themselves.
		s.doc.OpenAPI().AddOperation(&op)
		s.mux.HandleFunc("POST "+path, answer)
	}
}

func (s *Server) stockData(ctx context.Context, _ *struct{}) (*oneOf[StockData], error) {
	bars, err := s.cfg.Store.Bars(ctx, s.cfg.Default, store.Range{Limit: 1, Newest: true})
	if err != nil {
		return nil, failure(err)
	}
	if len(bars) == 0 {
		return nil, huma.Error404NotFound("there is no bar yet")
	}
	b := bars[0]
	return &oneOf[StockData]{StockData{b.Start, b.Open, b.High, b.Low, b.Close}}, nil
}

// forward lets the external service answer.
func (s *Server) forward(w http.ResponseWriter, r *http.Request) {
	m := rooms.Get().(*room)
	defer m.release()
	q, status, err := m.ask(r)
	if err == nil && q.model == "" && len(q.prices) != Lookback {
		status, err = http.StatusUnprocessableEntity, wrongCount(Lookback)
	}
	if err != nil {
		refuse(w, status, err.Error())
		return
	}
	p, status, err := s.ask(r.Context(), q)
	if err != nil {
		s.cfg.Log.Warn("the prediction service failed", "url", redacted(s.cfg.PredictURL), "err", err)
		refuse(w, status, err.Error())
		return
	}
	m.writeResult(w, p)
}

// redacted is an address without its password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(not an address)"
	}
	return u.Redacted()
}

// ask asks the external service. The status is that of the answer to give when it
// fails.
func (s *Server) ask(ctx context.Context, q question) (float64, int, error) {
	ctx, cancel := context.WithTimeout(ctx, s.predictLimit)
	defer cancel()
	body, err := json.Marshal(struct {
		Prices []float64 `json:"prices"`
		Model  string    `json:"model,omitempty"`
	}{q.prices, q.model})
	if err != nil {
		return 0, http.StatusInternalServerError, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.cfg.PredictURL, "/")+"/predict_next_price", bytes.NewReader(body))
	if err != nil {
		return 0, http.StatusBadGateway, errors.New("the address of the prediction service (PREDICT_API_URL) is not valid")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var ne net.Error
		if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout() {
			return 0, http.StatusGatewayTimeout, fmt.Errorf("the prediction service did not answer within %s", s.predictLimit)
		}
		return 0, http.StatusBadGateway, errors.New("the prediction service cannot be reached")
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if errors.Is(err, context.DeadlineExceeded) {
		return 0, http.StatusGatewayTimeout, fmt.Errorf("the prediction service did not finish within %s", s.predictLimit)
	}
	var out struct {
		Result *float64 `json:"result"`
		Error  string   `json:"error"`
	}
	if err != nil || json.Unmarshal(b, &out) != nil {
		return 0, http.StatusBadGateway, fmt.Errorf("the prediction service answered %d with something that is not JSON", resp.StatusCode)
	}
	switch {
	case out.Error != "":
		return 0, http.StatusBadGateway, fmt.Errorf("the prediction service refused: %.200s", out.Error)
	case resp.StatusCode != http.StatusOK || out.Result == nil:
		return 0, http.StatusBadGateway, fmt.Errorf("the prediction service answered %d without a result", resp.StatusCode)
	case !fits(*out.Result):
		return 0, http.StatusBadGateway, errors.New("the prediction service answered with no number that a price can be")
	}
	return *out.Result, http.StatusOK, nil
}
