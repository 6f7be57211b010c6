// Package bundle collects what someone who helps needs to know of an installation, in
// one file that holds no secret and no price.
//
// Three things keep secrets out. Settings are shown by an allow list: the value of one
// that is not on it is not shown. What the collected pieces are made of has no place for
// keys or prices: counts, heads, states. And everything passes a Redactor, which takes
// out every secret that the environment and the settings hold, wherever it turns up, and
// whatever looks like one.
package bundle

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"time"
)

// Part is a file of a bundle.
type Part struct {
	Name string
	Body []byte
	// Left says why there is nothing; Body is empty then.
	Left string
}

// Write writes the parts, redacted, as a zip archive, with a README.txt that lists what is
// in it and what was left out.
func Write(w io.Writer, parts []Part, red *Redactor, at time.Time) error {
	z := zip.NewWriter(w)
	add := func(name string, body []byte) error {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: at})
		if err == nil {
			_, err = f.Write(red.Clean(body))
		}
		return err
	}
	if err := add("README.txt", []byte(Contents(parts))); err != nil {
		return err
	}
	for _, p := range parts {
		if p.Left != "" {
			continue
		}
		if err := add(p.Name, p.Body); err != nil {
			return err
		}
	}
	return z.Close()
}

// Contents says what is in a bundle and what was left out.
func Contents(parts []Part) string {
	var b bytes.Buffer
	for _, p := range parts {
		if p.Left == "" {
			fmt.Fprintf(&b, "in    %-22s %d bytes\n", p.Name, len(p.Body))
		}
	}
	for _, p := range parts {
		if p.Left != "" {
			fmt.Fprintf(&b, "out   %-22s %s\n", p.Name, p.Left)
		}
	}
	fmt.Fprintln(&b, "out   prices, forecasts, rejected inputs, keys and passwords: never in a bundle")
	return b.String()
}
