package main

import (
	"fmt"
	"runtime"

	"github.com/foretick/foretick/internal/app"
)

type versionCmd struct{}

func (versionCmd) Run(t *terminal) error {
	_, err := fmt.Fprintf(t.stdout, "foretick %s (%s %s/%s)\n", app.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
