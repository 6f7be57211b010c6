package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Predictor is a model that forecasts the next price from nothing but prices: what the
// original's contract asks for.
type Predictor struct {
	Name     string
	Lookback int // number of prices that it takes
	Predict  func(ctx context.Context, prices []float64) (float64, error)
}

// question is the body of the original's contract, with the model that answers.
type question struct {
	prices []float64
	model  string // "": the default
}

// room is what answering a question takes; answers that have been given leave theirs to
// those that follow.
type room struct {
	body   []byte
	prices []float64
}

// maxRoom bounds the bodies whose room is kept.
const maxRoom = 16 << 10

var rooms = sync.Pool{New: func() any { return &room{body: make([]byte, 0, 512), prices: make([]float64, 0, 16)} }}

func (m *room) release() {
	if cap(m.body) <= maxRoom {
		rooms.Put(m)
	}
}

// read takes in a body to its end.
func (m *room) read(r io.Reader) error {
	m.body = m.body[:0]
	for {
		if len(m.body) == cap(m.body) {
			m.body = slices.Grow(m.body, len(m.body)+1)
		}
		n, err := r.Read(m.body[len(m.body):cap(m.body)])
		m.body = m.body[:len(m.body)+n]
		var large *http.MaxBytesError
		switch {
		case err == io.EOF: //nolint:errorlint // a Reader returns io.EOF itself
			return nil
		case errors.As(err, &large):
			return errTooLarge
		case err != nil:
			return errors.New("the body ended early")
		}
	}
}

var errTooLarge = errors.New("the body is larger than 1 MiB")

// maxPrice is the highest price that is taken for one.
const maxPrice = 1e15

// parse reads what body asks. The error is meant for the client. The prices are valid until
// the room is used again.
func (m *room) parse() (question, error) {
	if q, ok := m.parseUsual(); ok {
		return q, nil
	}
	var in struct {
		Prices *[]json.RawMessage `json:"prices"`
		Model  *string            `json:"model"`
	}
	dec := json.NewDecoder(bytes.NewReader(m.body))
	if err := dec.Decode(&in); err != nil {
		return question{}, errors.New(`the body is not JSON of the form {"prices": [numbers], "model": "name"}; model may be left out`)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return question{}, errors.New("something follows the JSON object in the body")
	}
	var q question
	if in.Model != nil {
		q.model = *in.Model
	}
	if in.Prices == nil {
		return q, nil
	}
	q.prices = m.prices[:0]
	for i, raw := range *in.Prices {
		if c := raw[0]; c != '-' && (c < '0' || c > '9') {
			return q, fmt.Errorf("price %d is not a number", i+1)
		}
		var p float64
		if err := json.Unmarshal(raw, &p); err != nil {
			return q, fmt.Errorf("price %d is not a number that fits", i+1)
		}
		if !(p > 0) || p > maxPrice {
			return q, fmt.Errorf("price %d is not above zero and at most 1e15", i+1)
		}
		q.prices = append(q.prices, p)
	}
	m.prices = q.prices
	return q, nil
}

// parseUsual reads a body as nearly all clients spell it: an object of "prices", at most
// some hundred of them, all of which can be prices, and "model", a name without escapes, in
// any order, each at most once. It reports false for everything else, right or wrong.
func (m *room) parseUsual() (q question, ok bool) {
	s := scanner{b: m.body}
	q.prices = m.prices[:0]
	if !s.skip('{') {
		return q, false
	}
	var prices, model bool
	for {
		key, ok := s.name()
		if !ok || !s.skip(':') {
			return q, false
		}
		switch {
		case string(key) == "prices" && !prices:
			prices = true
			if !s.skip('[') {
				return q, false
			}
			for {
				p, ok := s.number()
				if !ok || !(p > 0) || p > maxPrice || len(q.prices) == maxRoom/16 {
					return q, false
				}
				q.prices = append(q.prices, p)
				if !s.skip(',') {
					break
				}
			}
			if !s.skip(']') {
				return q, false
			}
		case string(key) == "model" && !model:
			model = true
			name, ok := s.name()
			if !ok {
				return q, false
			}
			q.model = string(name)
		default:
			return q, false
		}
		if !s.skip(',') {
			break
		}
	}
	m.prices = q.prices
	return q, prices && s.skip('}') && s.peek() == 0 && s.at == len(s.b)
}

// scanner reads the parts of a JSON text.
type scanner struct {
	b  []byte
	at int
}

// peek is the next byte that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.b) {
		switch c := s.b[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// skip passes over c, if it comes next.
func (s *scanner) skip(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// name reads a string of printable ASCII without escapes.
func (s *scanner) name() ([]byte, bool) {
	if !s.skip('"') {
		return nil, false
	}
	for from := s.at; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; {
		case c == '"':
			s.at++
			return s.b[from : s.at-1], true
		case c < ' ' || c > '~' || c == '\\':
			return nil, false
		}
	}
	return nil, false
}

// digits passes over decimal digits and counts them.
func (s *scanner) digits() int {
	from := s.at
	for s.at < len(s.b) && s.b[s.at]-'0' <= 9 {
		s.at++
	}
	return s.at - from
}

// number reads a number without a sign (RFC 8259, section 6).
func (s *scanner) number() (float64, bool) {
	s.peek()
	from := s.at
	if n := s.digits(); n == 0 || n > 1 && s.b[from] == '0' {
		return 0, false
	}
	if s.at < len(s.b) && s.b[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return 0, false
		}
	}
	if s.at < len(s.b) && s.b[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.b) && (s.b[s.at] == '+' || s.b[s.at] == '-') {
			s.at++
		}
		if s.digits() == 0 {
			return 0, false
		}
	}
	p, err := strconv.ParseFloat(string(s.b[from:s.at]), 64)
	return p, err == nil
}

// wrongCount is the error of another number of prices than this.
type wrongCount int

// Error answers in the original's words, full stop included.
func (n wrongCount) Error() string { return strconv.Itoa(int(n)) + " lookback prices are required." }

// refuse answers with a problem that has the original's error field.
func refuse(w http.ResponseWriter, status int, detail string) {
	writeProblem(w, problem{Status: status, Detail: detail, Error: detail})
}

// ask reads the question of a request; the error is meant for the client.
func (m *room) ask(r *http.Request) (question, int, error) {
	if err := m.read(r.Body); err != nil {
		if errors.Is(err, errTooLarge) {
			return question{}, http.StatusRequestEntityTooLarge, err
		}
		return question{}, http.StatusUnprocessableEntity, err
	}
	q, err := m.parse()
	if err != nil {
		return q, http.StatusUnprocessableEntity, err
	}
	if r.URL.RawQuery == "" {
		return q, 0, nil
	}
	in, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, http.StatusUnprocessableEntity, errors.New("the query cannot be read; write ?model=NAME")
	}
	if name := in.Get("model"); name != "" {
		if q.model != "" && q.model != name {
			return q, http.StatusUnprocessableEntity, fmt.Errorf("the query asks for the model %.40q, the body for %.40q", name, q.model)
		}
		q.model = name
	}
	return q, 0, nil
}

// predictor finds the model that a question asks for.
func (s *Server) predictor(name string) (Predictor, error) {
	list := s.cfg.Predictors()
	var names []string
	for i, p := range list {
		if p.Name == name || name == "" && i == 0 {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Predictor{}, fmt.Errorf("there is no model %.40q that forecasts from prices alone; there are %s", name, strings.Join(names, ", "))
}

// predict answers with a model's next price.
func (s *Server) predict(w http.ResponseWriter, r *http.Request) {
	m := rooms.Get().(*room)
	defer m.release()
	q, status, err := m.ask(r)
	if err != nil {
		refuse(w, status, err.Error())
		return
	}
	p, err := s.predictor(q.model)
	if err != nil {
		refuse(w, http.StatusNotFound, err.Error())
		return
	}
	if len(q.prices) != p.Lookback {
		refuse(w, http.StatusUnprocessableEntity, wrongCount(p.Lookback).Error())
		return
	}
	next, err := p.Predict(r.Context(), q.prices)
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	if !fits(next) {
		refuse(w, http.StatusUnprocessableEntity, "the model has no number for these prices")
		return
	}
	m.writeResult(w, next)
}

// fits reports whether p is a number that can be a price and be rounded.
func fits(p float64) bool { return math.Abs(p) <= maxPrice }

var (
	typeJSON = []string{"application/json"}
	noStore  = []string{"no-store"}
)

func (m *room) writeResult(w http.ResponseWriter, p float64) {
	m.body = append(m.body[:0], `{"result":`...)
	m.body = append(appendNumber(m.body, math.Round(p*1e5)/1e5), '}')
	h := w.Header()
	h["Content-Type"], h["Cache-Control"] = typeJSON, noStore
	_, _ = w.Write(m.body) // the client has gone: nobody left to tell
}
