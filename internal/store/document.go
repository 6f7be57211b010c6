package store

import (
	"context"

	"github.com/foretick/foretick/market"
)

// DocumentStore keeps bodies under names: what the engine's models have learnt,
// finished backtests. Kinds keep the names of different uses apart.
type DocumentStore interface {
	// PutDocuments keeps the documents, all or none, each in place of an earlier one
	// of the same kind and name. Kind and Name must not be empty.
	PutDocuments(ctx context.Context, docs ...Document) error
	// Document returns a document; the error wraps ErrNotFound when there is none.
	Document(ctx context.Context, kind, name string) (Document, error)
	// Documents lists those of a kind without their bodies, newest first, those of
	// the same time by name.
	Documents(ctx context.Context, kind string) ([]DocumentRecord, error)
	// DeleteDocument forgets a document. It is no error when there is none.
	DeleteDocument(ctx context.Context, kind, name string) error
}

// Document is a body with its name.
type Document struct {
	Kind, Name string
	At         market.Time // when it was made, as its maker says
	Body       []byte
}

// DocumentRecord describes a stored document.
type DocumentRecord struct {
	Name string
	At   market.Time
	Size int // of the body in bytes
}
