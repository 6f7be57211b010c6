// Command release makes what a release consists of: for each platform an archive, for Linux a
// Debian package as well, for each a list of what it consists of, and SHA256SUMS over all. The
// same commit and the same Go give the same bytes. Only Go modules are fetched.
//
//	go run ./deploy/release -o bin/release
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/foretick/foretick/deploy/internal/bundle"
	"github.com/foretick/foretick/deploy/internal/program"
	"github.com/foretick/foretick/deploy/internal/sbom"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := flag.String("o", "bin/release", "folder to write to; it is emptied before")
	version := flag.String("version", "", "version, in place of the git tag")
	flag.Parse()
	if err := run(ctx, *out, *version); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, version string) error {
	o, err := program.Discover(ctx, version, os.Getenv)
	if err != nil {
		return err
	}
	papers, err := read("LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "docs/install.md", "web/package-lock.json",
		"deploy/debian/foretick.service", "deploy/debian/foretick.yaml", "deploy/debian/environment", "deploy/debian/postinst", "deploy/debian/prerm", "deploy/debian/postrm")
	if err != nil {
		return fmt.Errorf("%w; run this in the folder of the sources", err)
	}
	tmp, err := os.MkdirTemp("", "foretick-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	sums := map[string]string{}
	for _, p := range program.Platforms {
		fmt.Printf("building %s for %s\n", o.Version, p)
		path := filepath.Join(tmp, p.OS+"-"+p.Arch)
		if err := program.Build(ctx, o, p, path); err != nil {
			return err
		}
		prog, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files, err := pack(o, p, prog, papers)
		if err != nil {
			return err
		}
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(out, name), b, 0o644); err != nil {
				return err
			}
			sum := sha256.Sum256(b)
			sums[name] = hex.EncodeToString(sum[:])
		}
	}
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(list(sums)), 0o644)
}

func read(names ...string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files[name] = b
	}
	return files, nil
}

// list writes sums as sha256sum --check reads them.
func list(sums map[string]string) string {
	var lines []string
	for name, sum := range sums {
		lines = append(lines, sum+"  "+name+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return strings.Join(lines, "")
}

// pack makes the files of one platform by name.
func pack(o program.Origin, p program.Platform, prog []byte, papers map[string][]byte) (map[string][]byte, error) {
	name := fmt.Sprintf("foretick_%s_%s_%s", o.Version, p.OS, p.Arch)
	exe := "foretick"
	if p.OS == "windows" {
		exe += ".exe"
	}
	parts, err := sbom.Of(sbom.Subject{Name: exe, Version: o.Version, Source: program.Source, Created: o.Time, Program: prog, Lock: papers["web/package-lock.json"]})
	if err != nil {
		return nil, err
	}
	files := []bundle.File{{Name: name + "/" + exe, Mode: 0o755, Data: prog}, {Name: name + "/sbom.spdx.json", Mode: 0o644, Data: parts}}
	for _, f := range []string{"LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "docs/install.md"} {
		files = append(files, bundle.File{Name: name + "/" + filepath.Base(f), Mode: 0o644, Data: papers[f]})
	}
	made := map[string][]byte{name + ".spdx.json": parts}
	if p.OS == "windows" {
		made[name+".zip"], err = bundle.Zip(files, o.Time)
		return made, err
	}
	if p.OS == "linux" {
		files = append(files, bundle.File{Name: name + "/foretick.service", Mode: 0o644, Data: papers["deploy/debian/foretick.service"]})
		v := debianVersion(o.Version)
		if made[fmt.Sprintf("foretick_%s_%s.deb", v, p.Arch)], err = debian(o, p, v, prog, parts, papers); err != nil {
			return nil, err
		}
	}
	made[name+".tar.gz"], err = bundle.TarGz(files, o.Time)
	return made, err
}
