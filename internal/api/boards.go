package api

import (
	"container/list"
	"context"
	"sync"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// maxBoards bounds the accumulators that are kept: one takes up to 6 MB after a day of
// one-second bars.
const maxBoards = 64

// boards keeps the accuracy of what is looked at. A board reads only the scores that
// came since it was last asked, and starts over when an old one was revised.
type boards struct {
	store store.ScoreReader
	mu    sync.Mutex
	byKey map[boardKey]*list.Element // of *board
	order *list.List                 // most recently asked first
}

type boardKey struct {
	series  market.SeriesID
	model   string
	horizon int
}

type board struct {
	key      boardKey
	mu       sync.Mutex // one reader of the store at a time; the others wait for its result
	acc      *score.Accumulator
	revision uint64
	next     market.Time // start of the first target not read yet
}

func newBoards(s store.ScoreReader) *boards {
	return &boards{store: s, byKey: map[boardKey]*list.Element{}, order: list.New()}
}

func (b *boards) get(k boardKey) *board {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.byKey[k]; e != nil {
		b.order.MoveToFront(e)
		return e.Value.(*board)
	}
	n := &board{key: k}
	b.byKey[k] = b.order.PushFront(n)
	if b.order.Len() > maxBoards {
		old := b.order.Remove(b.order.Back()).(*board)
		delete(b.byKey, old.key)
	}
	return n
}

// read brings a board up to the newest score and lets f read its accumulator.
func (b *boards) read(ctx context.Context, k boardKey, f func(*score.Accumulator)) error {
	n := b.get(k)
	n.mu.Lock()
	defer n.mu.Unlock()
	revision, err := b.store.ScoreRevision(ctx, k.series)
	if err != nil {
		return err
	}
	if n.acc == nil || n.revision != revision {
		n.acc, n.next, n.revision = score.NewAccumulator(), 0, revision
	}
	var failed error
	err = b.store.EachScore(ctx, k.series, store.ScoreQuery{Model: k.model, Horizon: k.horizon, From: n.next}, func(s *score.Score) bool {
		if failed = n.acc.Add(*s); failed != nil {
			return false
		}
		n.next = s.Target + 1
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		n.acc = nil // half read: begin again next time
		return err
	}
	f(n.acc)
	return nil
}
