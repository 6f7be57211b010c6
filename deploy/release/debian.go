package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"time"

	"github.com/foretick/foretick/deploy/internal/bundle"
	"github.com/foretick/foretick/deploy/internal/program"
)

// debianVersion orders as Debian does (deb-version(7)): what comes before a release has a tilde.
func debianVersion(v string) string {
	number, rest, _ := strings.Cut(v, "-")
	if rest == "" {
		return number
	}
	if rest[0] >= '0' && rest[0] <= '9' { // commits after a tag
		return number + "+" + strings.ReplaceAll(rest, "-", ".")
	}
	return number + "~" + strings.ReplaceAll(rest, "-", ".")
}

// debian makes the Debian package.
func debian(o program.Origin, p program.Platform, version string, prog, parts []byte, papers map[string][]byte) ([]byte, error) {
	changes, err := squeeze(fmt.Appendf(nil, "foretick (%s) stable; urgency=medium\n\n  * See https://github.com/foretick/foretick/blob/main/CHANGELOG.md\n\n -- The Foretick authors <foretick@users.noreply.github.com>  %s\n", version, o.Time.Format(time.RFC1123Z)))
	if err != nil {
		return nil, err
	}
	const doc = "usr/share/doc/foretick/"
	data := []bundle.File{
		{Name: "etc/", Mode: 0o755}, {Name: "etc/foretick/", Mode: 0o755},
		{Name: "etc/foretick/environment", Mode: 0o600, Data: papers["deploy/debian/environment"]},
		{Name: "etc/foretick/foretick.yaml", Mode: 0o644, Data: papers["deploy/debian/foretick.yaml"]},
		{Name: "usr/", Mode: 0o755}, {Name: "usr/bin/", Mode: 0o755},
		{Name: "usr/bin/foretick", Mode: 0o755, Data: prog},
		{Name: "usr/lib/", Mode: 0o755}, {Name: "usr/lib/systemd/", Mode: 0o755}, {Name: "usr/lib/systemd/system/", Mode: 0o755},
		{Name: "usr/lib/systemd/system/foretick.service", Mode: 0o644, Data: papers["deploy/debian/foretick.service"]},
		{Name: "usr/share/", Mode: 0o755}, {Name: "usr/share/doc/", Mode: 0o755}, {Name: doc, Mode: 0o755},
		{Name: doc + "changelog.gz", Mode: 0o644, Data: changes},
		{Name: doc + "copyright", Mode: 0o644, Data: append(append([]byte(nil), papers["NOTICE"]...), papers["LICENSE"]...)},
		{Name: doc + "install.md", Mode: 0o644, Data: papers["docs/install.md"]},
		{Name: doc + "sbom.spdx.json", Mode: 0o644, Data: parts},
	}
	size := 0
	for _, f := range data {
		size += (len(f.Data) + 1023) / 1024
	}
	control := fmt.Sprintf(`Package: foretick
Version: %s
Architecture: %s
Maintainer: The Foretick authors <foretick@users.noreply.github.com>
Installed-Size: %d
Section: science
Priority: optional
Homepage: https://github.com/foretick/foretick
Description: forecasts of markets, sealed and judged
 Foretick watches a market live, forecasts the next prices, seals every
 forecast before its outcome is known, scores it when the outcome arrives,
 and serves a dashboard that tells how wrong it was.
 .
 The service foretick.service is not enabled by the package.
`, version, p.Arch, size)
	return bundle.Debian([]bundle.File{
		{Name: "control", Mode: 0o644, Data: []byte(control)},
		{Name: "conffiles", Mode: 0o644, Data: []byte("/etc/foretick/environment\n/etc/foretick/foretick.yaml\n")},
		{Name: "postinst", Mode: 0o755, Data: papers["deploy/debian/postinst"]},
		{Name: "prerm", Mode: 0o755, Data: papers["deploy/debian/prerm"]},
		{Name: "postrm", Mode: 0o755, Data: papers["deploy/debian/postrm"]},
	}, data, o.Time)
}

func squeeze(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}
