package api

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// cursorVersion begins every cursor; one of another version is refused.
const cursorVersion = "1."

// encodeCursor makes the opaque form of a position.
func encodeCursor(pos int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorVersion + strconv.FormatInt(pos, 36)))
}

// decodeCursor reads what encodeCursor made, ok false for an empty cursor.
func decodeCursor(s string) (pos int64, ok bool, err error) {
	if s == "" {
		return 0, false, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	text, versioned := strings.CutPrefix(string(b), cursorVersion)
	if err == nil && versioned {
		pos, err = strconv.ParseInt(text, 36, 64)
	}
	if err != nil || !versioned || encodeCursor(pos) != s {
		return 0, false, huma.Error422UnprocessableEntity("the cursor is not one that this server gave: leave it out to begin again",
			&huma.ErrorDetail{Location: "query.cursor", Message: "unknown cursor"})
	}
	return pos, true, nil
}

// TimeRange is the time selection of lists.
type TimeRange struct {
	From   string `query:"from" doc:"First time, RFC 3339 or a date. Default: no bound." example:"2026-01-02T15:04:05Z"`
	To     string `query:"to" doc:"Time before which the list ends."`
	Order  string `query:"order" enum:"asc,desc" doc:"By time. Default: desc (newest first), or asc when from is given."`
	Cursor string `query:"cursor" maxLength:"64" doc:"next_cursor of the page before."`
}

// span reads the range: what to ask of the store for limit+1 rows, so that it is seen
// whether there are more.
func (r *TimeRange) span(limit int) (store.Range, error) {
	q := store.Range{Limit: limit + 1, Newest: r.Order == "desc" || r.Order == "" && r.From == ""}
	for _, b := range []struct {
		name, text string
		at         *market.Time
	}{{"from", r.From, &q.From}, {"to", r.To, &q.To}} {
		if b.text == "" {
			continue
		}
		t, err := market.ParseTime(b.text)
		if err != nil {
			return q, huma.Error422UnprocessableEntity(fmt.Sprintf("%s is not a time: write RFC 3339 such as 2026-01-02T15:04:05Z, or a date", b.name),
				&huma.ErrorDetail{Location: "query." + b.name, Message: "not a time"})
		}
		*b.at = bound(t)
	}
	if r.From != "" && r.To != "" && q.From >= q.To {
		return q, huma.Error422UnprocessableEntity("from must be before to", &huma.ErrorDetail{Location: "query.from", Message: "not before to"})
	}
	pos, ok, err := decodeCursor(r.Cursor)
	if err != nil || !ok {
		return q, err
	}
	// A cursor only ever narrows the range.
	switch at := market.Time(pos); {
	case q.Newest && (q.To == 0 || at < q.To):
		q.To = bound(at)
	case !q.Newest && (q.From == 0 || at >= q.From):
		q.From = bound(at + 1)
	}
	return q, nil
}

// bound is t as an end of a store.Range, where 0 would mean that there is no end: the
// first instant of 1970 becomes the microsecond before it.
func bound(t market.Time) market.Time {
	if t == 0 {
		return -1
	}
	return t
}

// next cuts list to limit and returns the cursor of what follows, from the position
// of its last element.
func next[T any](list []T, limit int, pos func(*T) int64) ([]T, string) {
	if list == nil {
		list = []T{}
	}
	if len(list) <= limit {
		return list, ""
	}
	list = list[:limit]
	return list, encodeCursor(pos(&list[limit-1]))
}
