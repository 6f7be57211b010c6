package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/foretick/foretick/market"
)

// Warning tells of a bar of a series whose price could not be taken for what it seems: a
// split lies before it. One that nobody announced (Announced false) is for a person to look
// at.
type Warning struct {
	Series    market.SeriesID `json:"series"`
	At        market.Time     `json:"at" doc:"When it was noticed, by this machine's clock."`
	Bar       market.Span     `json:"bar" doc:"The first bar after the break."`
	Close     float64         `json:"close" doc:"Of the bar before it."`
	Open      float64         `json:"open" doc:"Of the bar."`
	Ratio     float64         `json:"ratio" doc:"New shares for an old one, as announced, or as it looks."`
	Announced bool            `json:"announced" doc:"Whether the split had been announced when the bar came."`
	Voided    int             `json:"voided" doc:"Forecasts from before that cannot be judged."`
	Reason    string          `json:"reason" doc:"In words, as the ledger gives it where forecasts are void."`
}

// warnings is the kind of the documents that hold the warnings of a series.
func warnings(id market.SeriesID) string { return "warning " + string(id) }

// PutWarnings keeps warnings. One of the same bar is kept once, the newest.
func PutWarnings(ctx context.Context, s DocumentStore, list ...Warning) error {
	docs := make([]Document, len(list))
	for i := range list {
		w := &list[i]
		body, err := json.Marshal(w)
		if err != nil {
			return fmt.Errorf("store: warning of %s: %w", w.Series, err)
		}
		docs[i] = Document{Kind: warnings(w.Series), Name: w.Bar.Start.String(), At: w.Bar.Start, Body: body}
	}
	return s.PutDocuments(ctx, docs...)
}

// Warnings returns the warnings of the newest bars of a series, at most limit of them,
// newest bar first.
func Warnings(ctx context.Context, s DocumentStore, id market.SeriesID, limit int) ([]Warning, error) {
	docs, err := s.Documents(ctx, warnings(id))
	if err != nil {
		return nil, err
	}
	list := []Warning{}
	for _, d := range docs[:min(max(limit, 0), len(docs))] {
		doc, err := s.Document(ctx, warnings(id), d.Name)
		if err != nil {
			return nil, err
		}
		var w Warning
		if err := json.Unmarshal(doc.Body, &w); err != nil {
			return nil, fmt.Errorf("%w: warning of %s: %w", ErrCorrupt, id, err)
		}
		list = append(list, w)
	}
	return list, nil
}
