package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// scoreColumns are the columns of score, in the order in which rows of COPY have them.
var scoreColumns = []string{"series", "target", "cutoff", "model", "horizon", "version", "revision", "late", "regime", "numbers"}

// numbers is the length of the column of that name: the figures of a score in the order of
// numbersOf. Later versions may append to them; what a row does not know is NaN.
const numbers = 12

func numbersOf(s *score.Score) []float64 {
	return []float64{s.Last, s.Predicted, s.Actual, s.Lower, s.Upper, s.Scale, s.CRPS, s.NaiveCRPS, s.GainLow, s.GainHigh, s.PIT, s.Volatility}
}

func setNumbers(s *score.Score, v []float64) {
	var all [numbers]float64
	for i := range all {
		all[i] = math.NaN()
	}
	copy(all[:], v)
	s.Last, s.Predicted, s.Actual, s.Lower, s.Upper, s.Scale = all[0], all[1], all[2], all[3], all[4], all[5]
	s.CRPS, s.NaiveCRPS, s.GainLow, s.GainHigh, s.PIT, s.Volatility = all[6], all[7], all[8], all[9], all[10], all[11]
}

// putScores keeps the scores of a step: those of new targets by COPY, others in place of earlier
// ones.
func (w *writer) putScores(ctx context.Context, c *chain, list []score.Score) error {
	scored := c.scoredTo
	seen := map[string]bool{}
	for i := range list {
		s := &list[i]
		row := []any{c.series, int64(s.Target), int64(s.Cutoff), s.Model, int32(s.Horizon), s.Version, int32(s.Revision), s.Late, int16(s.Regime), numbersOf(s)}
		key := fmt.Sprint(s.Target, s.Cutoff, s.Model, "\x00", s.Horizon, "\x00", s.Version)
		if int64(s.Target) > scored && !seen[key] {
			seen[key] = true
			w.scores = append(w.scores, row)
			c.scoredTo = max(c.scoredTo, int64(s.Target))
			continue
		}
		// It may stand among those that were gathered.
		if err := w.copyIn(ctx, "score", scoreColumns, w.scores); err != nil {
			return err
		}
		w.scores = w.scores[:0]
		if err := w.makePart(ctx, "score", int64(s.Target)); err != nil {
			return err
		}
		var revision int32
		var late bool
		var regime int16
		var old []float64
		err := w.tx.QueryRow(ctx, "SELECT revision, late, regime, numbers FROM score WHERE series = $1 AND target = $2 AND cutoff = $3 AND model = $4 AND horizon = $5 AND version = $6", row[:6]...).Scan(&revision, &late, &regime, &old)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err == nil && !seen[key] && (int(revision) != s.Revision || late != s.Late || regime != int16(s.Regime) || !slices.EqualFunc(old, numbersOf(s), sameBits)) {
			c.scoreRevision++
		}
		_, err = w.tx.Exec(ctx, "INSERT INTO score (series, target, cutoff, model, horizon, version, revision, late, regime, numbers) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) ON CONFLICT (series, target, cutoff, model, horizon, version) DO UPDATE SET revision = excluded.revision, late = excluded.late, regime = excluded.regime, numbers = excluded.numbers", row...)
		if err != nil {
			return err
		}
		seen[key] = true
		c.scoredTo = max(c.scoredTo, int64(s.Target))
	}
	return nil
}

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// scorePage is how many scores are fetched at a time, so that whoever stops early costs little.
const scorePage = 5000

// EachScore calls f for the scores selected by q in order of target, then cutoff.
func (s *Store) EachScore(ctx context.Context, key market.SeriesID, q store.ScoreQuery, f func(*score.Score) bool) error {
	from, to, _ := bounds(store.Range{From: q.From, To: q.To})
	return s.read(ctx, "read scores of "+string(key), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DECLARE list NO SCROLL CURSOR FOR SELECT target, cutoff, model, horizon, version, revision, late, regime, numbers FROM score WHERE series = (SELECT id FROM series WHERE key = $1) AND target >= $2 AND target < $3 AND ($4 = '' OR model = $4) AND ($5 = 0 OR horizon = $5) ORDER BY target, cutoff, model, horizon, version",
			string(key), from, to, q.Model, q.Horizon)
		if err != nil {
			return err
		}
		for {
			rows, err := tx.Query(ctx, fmt.Sprintf("FETCH %d FROM list", scorePage))
			if err != nil {
				return err
			}
			var x score.Score
			var target, cutoff int64
			var horizon, revision int32
			var regime int16
			var list []float64
			n := 0
			_, err = pgx.ForEachRow(rows, []any{&target, &cutoff, &x.Model, &horizon, &x.Version, &revision, &x.Late, &regime, &list}, func() error {
				n++
				x.Target, x.Cutoff, x.Horizon, x.Revision, x.Regime = market.Time(target), market.Time(cutoff), int(horizon), int(revision), forecast.Regime(regime)
				setNumbers(&x, list)
				out := x // f may change it
				if !f(&out) {
					return errStop
				}
				return nil
			})
			if errors.Is(err, errStop) {
				return nil
			}
			if err != nil || n < scorePage {
				return err
			}
		}
	})
}

var errStop = errors.New("stop")

// ScoreRevision changes whenever a stored score is replaced.
func (s *Store) ScoreRevision(ctx context.Context, key market.SeriesID) (n uint64, err error) {
	err = s.read(ctx, "read the score revision of "+string(key), func(tx pgx.Tx) error {
		var v int64
		err := tx.QueryRow(ctx, "SELECT score_revision FROM chain WHERE series = (SELECT id FROM series WHERE key = $1)", string(key)).Scan(&v)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		n = uint64(v)
		return err
	})
	return n, err
}
