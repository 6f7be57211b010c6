package main

import (
	"encoding/json"
	"fmt"

	"github.com/foretick/foretick/internal/app"
)

type versionCmd struct {
	JSON bool `help:"Print what the program was made from as JSON."`
}

func (c versionCmd) Run(t *terminal) error {
	b := app.Build()
	if c.JSON {
		return json.NewEncoder(t.stdout).Encode(b)
	}
	from := ""
	if b.Revision != "" {
		from = fmt.Sprintf("commit %s", b.Revision)
		if b.Time != "" {
			from += " of " + b.Time
		}
		from += ", "
	}
	_, err := fmt.Fprintf(t.stdout, "foretick %s (%s%s %s)\n", app.Version(), from, b.Go, b.Platform)
	return err
}
