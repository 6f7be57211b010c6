package csv

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/foretick/foretick/market"
)

// MaxActions bounds the splits and dividends of a file.
const MaxActions = 100_000

// actionErrors is how many bad rows of a file of actions are named.
const actionErrors = 5

// ErrActions says that a file is no list of splits and dividends, wrapped with its name,
// the line and what to do.
var ErrActions = errors.New("csv: not a list of splits and dividends")

// ReadActions reads the splits and dividends of one instrument from the file at path, see
// ReadActionsFrom.
func ReadActions(path string) ([]market.Action, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("csv: %w", err)
	}
	defer f.Close()
	return ReadActionsFrom(f, filepath.Base(path))
}

// ReadActionsFrom reads the splits and dividends of one instrument. The first line is
// ex,kind,value, the columns in any order and others beside them. ex is the first day or
// instant on which the instrument trades without it: a date (midnight UTC) or RFC 3339.
// kind is split or dividend. value is, of a split, the new shares for an old one as 20,
// 20:1 or 1:10; of a dividend the money a share. Blank lines and lines that begin with #
// are passed over; the text may be compressed with gzip.
//
// Bad rows are no small harm here, as a split that is missing is taken for a crash: one of
// them refuses the file, with an error that wraps ErrActions and names the first few by
// line. name becomes the Source of the actions, which are returned by time.
func ReadActionsFrom(r io.Reader, name string) ([]market.Action, error) {
	text, err := open(r, name)
	if err != nil {
		return nil, err
	}
	in := csv.NewReader(text)
	in.Comment, in.TrimLeadingSpace, in.FieldsPerRecord, in.ReuseRecord = '#', true, -1, true
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: the first line must be ex,kind,value (%w)", ErrActions, name, err)
	}
	place := [3]int{-1, -1, -1}
	for i, h := range header {
		k := slices.Index([]string{"ex", "kind", "value"}, strings.ToLower(strings.TrimSpace(strings.TrimPrefix(h, "\ufeff"))))
		if k >= 0 && place[k] < 0 {
			place[k] = i
		}
	}
	if slices.Contains(place[:], -1) {
		return nil, fmt.Errorf("%w: %s: the first line is %.80q; it must be ex,kind,value", ErrActions, name, strings.Join(header, ","))
	}
	type key struct {
		ex   market.Time
		kind market.ActionKind
	}
	var list []market.Action
	var bad []error
	lines := map[key]int{}
	for len(bad) < actionErrors {
		row, err := in.Read()
		if err == io.EOF {
			break
		}
		var wrong *csv.ParseError
		switch {
		case errors.As(err, &wrong): // where the next row begins cannot be told
			return nil, fmt.Errorf("%w: %s: line %d: %w", ErrActions, name, wrong.Line, wrong.Err)
		case err != nil:
			return nil, fmt.Errorf("%w: %s: %w", ErrActions, name, err)
		}
		line, _ := in.FieldPos(0)
		a, err := action(row, place)
		if k := (key{a.Ex, a.Kind}); err == nil {
			if first := lines[k]; first > 0 && a.Kind == market.Split {
				err = fmt.Errorf("line %d has a split of the same day already; multiply the two", first)
			} else if first > 0 {
				err = fmt.Errorf("line %d has a dividend of the same day already; add the two up", first)
			}
			lines[k] = line
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("line %d: %w", line, err))
			continue
		}
		if len(list) == MaxActions {
			return nil, fmt.Errorf("%w: %s has more than %d rows", ErrActions, name, MaxActions)
		}
		a.Source = name
		list = append(list, a)
	}
	switch {
	case len(bad) > 0:
		return nil, fmt.Errorf("%w: %s: %w", ErrActions, name, errors.Join(bad...))
	case len(list) == 0:
		return nil, fmt.Errorf("%w: %s has no row after the first line", ErrActions, name)
	}
	slices.SortStableFunc(list, func(a, b market.Action) int { return int(min(1, max(-1, a.Ex-b.Ex))) })
	return list, nil
}

// action reads a row.
func action(row []string, place [3]int) (a market.Action, err error) {
	for _, p := range place {
		if p >= len(row) {
			return a, fmt.Errorf("%d columns; ex, kind and value are needed", len(row))
		}
	}
	ex, kind, value := strings.TrimSpace(row[place[0]]), strings.ToLower(strings.TrimSpace(row[place[1]])), strings.TrimSpace(row[place[2]])
	if a.Ex, err = market.ParseTime(ex); err != nil {
		return a, fmt.Errorf("ex %.40q is neither a date (2014-06-09) nor RFC 3339 (2014-06-09T13:30:00Z)", ex)
	}
	a.Kind = market.ActionKind(kind)
	switch a.Kind {
	case market.Split:
		if a.Ratio, err = ratio(value); err != nil {
			return a, err
		}
	case market.Dividend:
		if a.Amount, err = strconv.ParseFloat(value, 64); err != nil {
			return a, fmt.Errorf("value %.40q of a dividend is no number; write the money a share, such as 0.24", value)
		}
	default:
		return a, fmt.Errorf("kind %.40q; write split or dividend", kind)
	}
	if err := a.Validate(); err != nil {
		return a, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "market: "))
	}
	return a, nil
}

// ratio reads the ratio of a split.
func ratio(s string) (float64, error) {
	after, before, both := strings.Cut(s, ":")
	v, err := strconv.ParseFloat(strings.TrimSpace(after), 64)
	if both && err == nil {
		var old float64
		old, err = strconv.ParseFloat(strings.TrimSpace(before), 64)
		v /= old
	}
	if err != nil {
		return 0, fmt.Errorf("value %.40q of a split is no ratio; write the new shares for an old one: 20, 20:1 or 1:10", s)
	}
	return v, nil
}
