package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// Entry is a ledger entry in the JSON form of package ledger, the same as a line of
// foretick ledger export.
type Entry json.RawMessage

// MarshalJSON returns the JSON as it is.
func (e Entry) MarshalJSON() ([]byte, error) { return e, nil }

// Schema describes what every entry has.
func (Entry) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: "string", Description: doc} }
	return &huma.Schema{
		Type: "object", Description: "A ledger entry; docs/formats/ledger.md describes the body that kind names.",
		Properties: map[string]*huma.Schema{
			"format": {Type: "integer"}, "series": text(""), "mode": text("live or replay"), "seq": {Type: "integer"},
			"kind": text("genesis, issue, outcome, void or gap"), "at": text("RFC 3339"), "prev": text("hash of the entry before"), "hash": text("SHA-256 of the canonical bytes"),
			"genesis": {Type: "object"}, "issue": {Type: "object"}, "outcome": {Type: "object"}, "void": {Type: "object"}, "gap": {Type: "object"},
		},
		Required: []string{"format", "series", "mode", "seq", "kind", "at", "prev", "hash"},
	}
}

// LedgerHead is the end of a chain.
type LedgerHead struct {
	Series  market.SeriesID `json:"series"`
	Seq     uint64          `json:"seq" doc:"Number of the newest entry; 0 for an empty chain."`
	Hash    string          `json:"hash" doc:"Its hash. Note it elsewhere: a rebuilt chain does not contain it."`
	Genesis *Entry          `json:"genesis" doc:"The first entry; null for an empty chain."`
}

// GapInfo is a stretch without data.
type GapInfo struct {
	Entry  uint64      `json:"entry"`
	From   market.Time `json:"from"`
	To     market.Time `json:"to"`
	Bars   int         `json:"bars" doc:"Bars that the calendar expected."`
	Missed int         `json:"missed" doc:"Forecasts that were not issued."`
	Reason string      `json:"reason"`
}

func (s *Server) ledgerRoutes() {
	huma.Register(s.doc, get("get-ledger", "/v1/series/{series}/ledger", "ledger", "The head of a series' ledger",
		"The chain proves order and integrity, not wall-clock time."), s.getLedger)
	huma.Register(s.doc, get("list-entries", "/v1/series/{series}/ledger/entries", "ledger", "Ledger entries", ""), s.listEntries)
	huma.Register(s.doc, get("get-entry", "/v1/series/{series}/ledger/entries/{entry}", "ledger", "One ledger entry", ""), s.getEntry)
	huma.Register(s.doc, get("list-gaps", "/v1/series/{series}/gaps", "ledger", "Stretches without data, newest first", ""), s.listGaps)
}

func entryJSON(sealed ledger.Sealed) (Entry, error) {
	b, err := ledger.AppendJSON(nil, sealed)
	if err != nil {
		return nil, &internalError{fmt.Errorf("entry %d: %w", sealed.Seq, err)}
	}
	return b, nil
}

type headOutput struct {
	ETag string `header:"ETag"`
	Body LedgerHead
}

func (s *Server) getLedger(ctx context.Context, in *struct {
	SeriesPath
	AsOf
	Match string `header:"If-None-Match" maxLength:"1000"`
}) (*headOutput, error) {
	if _, err := s.record(ctx, in.id()); err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	head, err := s.head(ctx, in.id(), m)
	if err != nil {
		return nil, failure(err)
	}
	out := &headOutput{ETag: `"` + head.Hash.String() + `"`, Body: LedgerHead{Series: in.id(), Seq: head.Seq, Hash: head.Hash.String()}}
	if matches(in.Match, out.ETag) {
		return nil, huma.ErrorWithHeaders(huma.Status304NotModified(), map[string][]string{"ETag": {out.ETag}})
	}
	if head.Seq > 0 {
		first, err := s.cfg.Store.Entries(ctx, in.id(), store.EntryQuery{From: 1, To: 2})
		if err != nil {
			return nil, failure(err)
		}
		if len(first) > 0 {
			e, err := entryJSON(first[0])
			if err != nil {
				return nil, err
			}
			out.Body.Genesis = &e
		}
	}
	return out, nil
}

// head is the end of a chain at a moment.
func (s *Server) head(ctx context.Context, id market.SeriesID, m moment) (ledger.Head, error) {
	if m.seq == 0 {
		head, _, err := s.cfg.Store.Head(ctx, id)
		return head, err
	}
	last, err := s.cfg.Store.Entries(ctx, id, store.EntryQuery{Times: store.Range{Newest: true, Limit: 1, AsOf: m.seq}})
	if err != nil || len(last) == 0 {
		return ledger.Head{}, err
	}
	return ledger.Head{Seq: last[0].Seq, Hash: last[0].Hash}, nil
}

func (s *Server) listEntries(ctx context.Context, in *struct {
	SeriesPath
	AsOf
	From  uint64 `query:"from" doc:"First number."`
	To    uint64 `query:"to" doc:"Number before which the list ends; 0: to the end."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Order string `query:"order" enum:"asc,desc" default:"asc"`
	Kind  string `query:"kind" enum:"genesis,issue,outcome,void,gap" doc:"Only this kind."`
}) (*listOf[Entry], error) {
	if _, err := s.record(ctx, in.id()); err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	q := store.EntryQuery{From: in.From, To: in.To, Times: store.Range{Limit: in.Limit, Newest: in.Order == "desc", AsOf: m.seq}}
	if in.Kind != "" {
		k, err := ledger.ParseKind(in.Kind)
		if err != nil {
			return nil, huma.Error422UnprocessableEntity(err.Error())
		}
		q.Kinds = []ledger.Kind{k}
	}
	list, err := s.cfg.Store.Entries(ctx, in.id(), q)
	if err != nil {
		return nil, failure(err)
	}
	out := &listOf[Entry]{}
	out.Body.Items = make([]Entry, 0, len(list))
	for _, sealed := range list {
		e, err := entryJSON(sealed)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, e)
	}
	return out, nil
}

type entryOutput struct {
	ETag  string `header:"ETag"`
	Cache string `header:"Cache-Control"`
	Body  Entry
}

// EntryPath names an entry of a ledger.
type EntryPath struct {
	SeriesPath
	AsOf
	Entry uint64 `path:"entry" minimum:"1"`
	Match string `header:"If-None-Match" maxLength:"1000"`
}

func (s *Server) getEntry(ctx context.Context, in *EntryPath) (*entryOutput, error) {
	return s.entry(ctx, in, nil)
}

func (s *Server) getForecast(ctx context.Context, in *EntryPath) (*entryOutput, error) {
	return s.entry(ctx, in, []ledger.Kind{ledger.Issue})
}

// entry reads one entry of the kinds given, of every kind when there are none.
func (s *Server) entry(ctx context.Context, in *EntryPath, kinds []ledger.Kind) (*entryOutput, error) {
	if _, err := s.record(ctx, in.id()); err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.Store.Entries(ctx, in.id(), store.EntryQuery{From: in.Entry, To: in.Entry + 1, Kinds: kinds, Times: store.Range{AsOf: m.seq}})
	if err != nil {
		return nil, failure(err)
	}
	switch {
	case len(list) == 0 && m.seq != 0:
		return nil, huma.Error404NotFound(fmt.Sprintf("entry %d was not there at that time, or seals something else", in.Entry))
	case len(list) == 0 && kinds != nil:
		return nil, huma.Error404NotFound(fmt.Sprintf("no forecasts are sealed by entry %d", in.Entry))
	case len(list) == 0:
		return nil, huma.Error404NotFound(fmt.Sprintf("the ledger has no entry %d", in.Entry))
	}
	out := &entryOutput{ETag: `"` + list[0].Hash.String() + `"`, Cache: "private, max-age=31536000, immutable"}
	if matches(in.Match, out.ETag) {
		return nil, huma.ErrorWithHeaders(huma.Status304NotModified(), map[string][]string{"ETag": {out.ETag}})
	}
	out.Body, err = entryJSON(list[0])
	return out, err
}

func (s *Server) listGaps(ctx context.Context, in *struct {
	SeriesPath
	AsOf
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*listOf[GapInfo], error) {
	if _, err := s.record(ctx, in.id()); err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.Store.Entries(ctx, in.id(), store.EntryQuery{Kinds: []ledger.Kind{ledger.Gap}, Times: store.Range{Limit: in.Limit, Newest: true, AsOf: m.seq}})
	if err != nil {
		return nil, failure(err)
	}
	out := &listOf[GapInfo]{}
	out.Body.Items = make([]GapInfo, 0, len(list))
	for _, sealed := range list {
		e, err := decode(sealed)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, newGap(sealed.Seq, e.Gap))
	}
	return out, nil
}

func newGap(seq uint64, g *ledger.GapBody) GapInfo {
	return GapInfo{Entry: seq, From: g.Span.Start, To: g.Span.End, Bars: g.Bars, Missed: g.Missed, Reason: g.Reason}
}
