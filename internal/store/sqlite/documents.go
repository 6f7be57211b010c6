package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// PutDocuments keeps documents. See store.DocumentStore.
func (s *Store) PutDocuments(ctx context.Context, docs ...store.Document) error {
	if len(docs) == 0 {
		return ctx.Err()
	}
	for i := range docs {
		if docs[i].Kind == "" || docs[i].Name == "" {
			return errors.New("sqlite: a document needs a kind and a name")
		}
	}
	return s.write(ctx, fmt.Sprintf("keep %s %s", docs[0].Kind, docs[0].Name), func(w *writer) error {
		for i := range docs {
			d := &docs[i]
			w.wrote = true
			if err := exec(w.conn, sqlPutDocument, d.Kind, d.Name, int64(d.At), d.Body); err != nil {
				return err
			}
		}
		return nil
	})
}

// Document returns a document. See store.DocumentStore.
func (s *Store) Document(ctx context.Context, kind, name string) (d store.Document, err error) {
	op := fmt.Sprintf("read %s %s", kind, name)
	found := false
	err = s.read(ctx, op, func(conn *conn) error {
		return each(conn, sqlDocument, func(r *sqlite.Stmt) bool {
			found = true
			d = store.Document{Kind: kind, Name: name, At: market.Time(r.ColumnInt64(0)), Body: make([]byte, r.ColumnLen(1))}
			r.ColumnBytes(1, d.Body)
			return false
		}, kind, name)
	})
	if err == nil && !found {
		err = fmt.Errorf("%s: %w", op, store.ErrNotFound)
	}
	return d, err
}

// Documents lists the documents of a kind. See store.DocumentStore.
func (s *Store) Documents(ctx context.Context, kind string) (list []store.DocumentRecord, err error) {
	err = s.read(ctx, "list "+kind, func(conn *conn) error {
		list = nil
		return each(conn, sqlDocuments, func(r *sqlite.Stmt) bool {
			list = append(list, store.DocumentRecord{Name: r.ColumnText(0), At: market.Time(r.ColumnInt64(1)), Size: r.ColumnInt(2)})
			return true
		}, kind)
	})
	return list, err
}

// DeleteDocument forgets a document. See store.DocumentStore.
func (s *Store) DeleteDocument(ctx context.Context, kind, name string) error {
	return s.write(ctx, fmt.Sprintf("delete %s %s", kind, name), func(w *writer) error {
		w.wrote = true
		return exec(w.conn, sqlDelDocument, kind, name)
	})
}
