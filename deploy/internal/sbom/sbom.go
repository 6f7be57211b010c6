// Package sbom lists what a program consists of, as SPDX 2.3 JSON (https://spdx.github.io/spdx-spec/v2.3/).
// Go modules are read from the program itself, where the linker leaves them with their checksums;
// the packages of the page from its package-lock.json.
package sbom

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Subject is what a document is about.
type Subject struct {
	Name    string // of the file
	Version string
	Source  string // where the sources are
	Created time.Time
	Program []byte
	Lock    []byte // package-lock.json of the page; may be nil
}

type document struct {
	SPDXVersion   string         `json:"spdxVersion"`
	DataLicense   string         `json:"dataLicense"`
	SPDXID        string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      creation       `json:"creationInfo"`
	Packages      []pkg          `json:"packages"`
	Relationships []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type pkg struct {
	SPDXID        string     `json:"SPDXID"`
	Name          string     `json:"name"`
	Version       string     `json:"versionInfo"`
	Download      string     `json:"downloadLocation"`
	FilesAnalyzed bool       `json:"filesAnalyzed"`
	License       string     `json:"licenseDeclared"`
	Concluded     string     `json:"licenseConcluded"`
	Copyright     string     `json:"copyrightText"`
	Purpose       string     `json:"primaryPackagePurpose,omitempty"`
	Checksums     []checksum `json:"checksums,omitempty"`
	Refs          []ref      `json:"externalRefs,omitempty"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type ref struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

const unknown = "NOASSERTION"

// Of returns the document of s. The same s gives the same bytes.
func Of(s Subject) ([]byte, error) {
	info, err := buildinfo.Read(bytes.NewReader(s.Program))
	if err != nil {
		return nil, fmt.Errorf("%s says nothing of its modules: %w", s.Name, err)
	}
	sum := sha256.Sum256(s.Program)
	digest := hex.EncodeToString(sum[:])
	root := pkg{SPDXID: "SPDXRef-program", Name: s.Name, Version: s.Version, Download: s.Source, License: "Apache-2.0", Concluded: "Apache-2.0",
		Copyright: unknown, Purpose: "APPLICATION", Checksums: []checksum{{"SHA256", digest}}, Refs: purl("golang", info.Main.Path, "v"+s.Version)}
	d := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", Name: s.Name + "-" + s.Version,
		Namespace: s.Source + "/sbom/" + s.Name + "-" + s.Version + "-" + digest[:16],
		Creation:  creation{s.Created.UTC().Format(time.RFC3339), []string{"Organization: Foretick", "Tool: foretick/deploy/internal/sbom"}},
		Packages:  []pkg{root},
		Relationships: []relationship{
			{"SPDXRef-DOCUMENT", "DESCRIBES", root.SPDXID},
		},
	}
	add := func(p pkg) {
		p.SPDXID = fmt.Sprintf("SPDXRef-part-%d", len(d.Packages))
		p.Concluded, p.Copyright = unknown, unknown
		d.Packages = append(d.Packages, p)
		d.Relationships = append(d.Relationships, relationship{root.SPDXID, "DEPENDS_ON", p.SPDXID})
	}
	version := strings.TrimPrefix(info.GoVersion, "go")
	version, _, _ = strings.Cut(version, " ")
	add(pkg{Name: "stdlib", Version: version, Download: "https://go.dev/dl/", License: "BSD-3-Clause", Refs: purl("golang", "stdlib", version)})
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		p := pkg{Name: m.Path, Version: m.Version, Download: "https://" + m.Path, License: unknown, Refs: purl("golang", m.Path, m.Version)}
		// h1 is a hash over the module's files (golang.org/x/mod/sumdb/dirhash), not of one archive:
		// SPDX has no name for it, so it stands with the reference.
		if h, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
			if raw, err := base64.StdEncoding.DecodeString(h); err == nil {
				p.Refs = append(p.Refs, ref{"OTHER", "go-module-h1", hex.EncodeToString(raw)})
			}
		}
		add(p)
	}
	web, err := page(s.Lock)
	if err != nil {
		return nil, err
	}
	for _, p := range web {
		add(p)
	}
	b, err := json.MarshalIndent(d, "", " ")
	return append(b, '\n'), err
}

// page lists the packages that the page is built from, without those that only build it.
func page(lock []byte) ([]pkg, error) {
	if lock == nil {
		return nil, nil
	}
	var l struct {
		Packages map[string]struct {
			Version, License, Resolved string
			Dev, Optional, DevOptional bool
		}
	}
	if err := json.Unmarshal(lock, &l); err != nil {
		return nil, fmt.Errorf("package-lock.json: %w", err)
	}
	var out []pkg
	for path, p := range l.Packages {
		i := strings.LastIndex(path, "node_modules/")
		if i < 0 || p.Dev || p.DevOptional {
			continue
		}
		name := path[i+len("node_modules/"):]
		out = append(out, pkg{Name: name, Version: p.Version, Download: cmp.Or(p.Resolved, unknown), License: cmp.Or(p.License, unknown), Refs: purl("npm", strings.Replace(name, "@", "%40", 1), p.Version)})
	}
	slices.SortFunc(out, func(a, b pkg) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
	})
	return out, nil
}

// purl is the package's address (https://github.com/package-url/purl-spec).
func purl(kind, name, version string) []ref {
	return []ref{{"PACKAGE-MANAGER", "purl", "pkg:" + kind + "/" + name + "@" + strings.ReplaceAll(version, "+", "%2B")}}
}
