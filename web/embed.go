// Package web carries the dashboard inside the binary. The page's sources are
// TypeScript (src/); `npm run build` puts what a browser loads into dist/, which is
// built and never committed. Without that step the package still compiles: dist/
// then holds nothing but a placeholder and Built reports false.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var files embed.FS

// Dist returns the built page: index.html, assets/ with content-hashed names that
// never change, favicon.svg, and docs/ with what the API's documentation needs.
func Dist() fs.FS {
	sub, err := fs.Sub(files, "dist")
	if err != nil {
		panic("web: " + err.Error()) // the path is a constant
	}
	return sub
}

// Built reports whether the page was built before the binary.
func Built() bool {
	_, err := fs.Stat(Dist(), "index.html")
	return err == nil
}
