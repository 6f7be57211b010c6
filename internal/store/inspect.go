package store

import "context"

// Info describes a stored installation as a whole.
type Info struct {
	Kind    string `json:"kind"`   // sqlite or postgres
	Place   string `json:"place"`  // file, or address without its secrets
	Engine  string `json:"engine"` // the database and its version
	Version int    `json:"schema_version"`
	Newest  int    `json:"newest_version"` // that this program knows
	Epoch   string `json:"epoch"`
	// LastEvent is the number of the newest event, 0 when there is none.
	LastEvent uint64 `json:"last_event"`
	Bytes     int64  `json:"bytes"` // on disk, indexes and logs included
	Counts    Counts `json:"counts"`
}

// Counts are the numbers of what is stored.
type Counts struct {
	Series    int64 `json:"series"`
	Bars      int64 `json:"bars"`      // the latest revision of each
	Revisions int64 `json:"revisions"` // of bars that a later one replaced
	Entries   int64 `json:"entries"`   // of all ledgers
	Scores    int64 `json:"scores"`
	Documents int64 `json:"documents"`
	Rejects   int64 `json:"rejects"` // in quarantine
	Actions   int64 `json:"actions"` // records of splits and dividends
}

// Current reports whether the schema is the one that this program writes.
func (i *Info) Current() bool { return i.Version == i.Newest }

// Checker looks for damage.
type Checker interface {
	// CheckStorage looks for what is wrong below the other roles: damaged pages and
	// indexes, rows without their counterparts, lists that cannot be read. It calls report
	// for each fault found, and returns an error only when it could not look. It may take
	// as long as reading everything once; writers are not held up.
	CheckStorage(ctx context.Context, report func(Fault)) error
}

// Fault is something wrong in a store.
type Fault struct {
	Where  string `json:"where"` // series, table or file
	What   string `json:"what"`
	Advice string `json:"advice"` // what to do
}
