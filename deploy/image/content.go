package main

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/foretick/foretick/deploy/internal/bundle"
	"github.com/foretick/foretick/deploy/internal/program"
	"github.com/foretick/foretick/deploy/internal/sbom"
)

// user runs the program in the image: nobody's number, the one that distroless images use.
const user = 65532

// content is what is in the image of one platform.
type content struct {
	origin   program.Origin
	platform program.Platform
	sbom     []byte
	files    []bundle.File
}

// contentOf builds the program and gathers what goes with it. Roots of trust and time zones are
// in the program itself.
func contentOf(ctx context.Context, o program.Origin, p program.Platform) (*content, error) {
	dir, err := os.MkdirTemp("", "foretick-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "foretick")
	if err := program.Build(ctx, o, p, path); err != nil {
		return nil, err
	}
	prog, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	papers := map[string][]byte{"LICENSE": nil, "NOTICE": nil, "web/package-lock.json": nil}
	for f := range papers {
		if papers[f], err = os.ReadFile(f); err != nil {
			return nil, fmt.Errorf("%w; run this in the folder of the sources", err)
		}
	}
	return gather(o, p, prog, papers)
}

func gather(o program.Origin, p program.Platform, prog []byte, papers map[string][]byte) (*content, error) {
	if err := static(prog); err != nil {
		return nil, err
	}
	c := &content{origin: o, platform: p}
	var err error
	c.sbom, err = sbom.Of(sbom.Subject{Name: "foretick", Version: o.Version, Source: program.Source, Created: o.Time, Program: prog, Lock: papers["web/package-lock.json"]})
	if err != nil {
		return nil, err
	}
	c.files = []bundle.File{
		{Name: "data/", Mode: 0o700, Owner: user},
		{Name: "foretick", Mode: 0o755, Data: prog},
		{Name: "licenses/", Mode: 0o755},
		{Name: "licenses/LICENSE", Mode: 0o644, Data: papers["LICENSE"]},
		{Name: "licenses/NOTICE", Mode: 0o644, Data: papers["NOTICE"]},
		{Name: "sbom.spdx.json", Mode: 0o644, Data: c.sbom},
		{Name: "tmp/", Mode: 0o1777},
	}
	return c, nil
}

// static reports why prog could not run on an empty base.
func static(prog []byte) error {
	f, err := elf.NewFile(bytes.NewReader(prog))
	if err != nil {
		return fmt.Errorf("the program is not a Linux executable: %w; build it with GOOS=linux", err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("the program is linked dynamically and could not start: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

// bytes is the size of all files.
func (c *content) bytes() (n int64) {
	for _, f := range c.files {
		n += int64(len(f.Data))
	}
	return n
}

// unpack writes the files into a folder, with their owners when run as root.
func (c *content) unpack(dir string) error {
	for _, f := range append([]bundle.File{{Name: "/", Mode: 0o755}}, c.files...) {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		var err error
		if strings.HasSuffix(f.Name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, f.Data, 0o644)
		}
		if err != nil {
			return err
		}
		if os.Getuid() == 0 {
			if err := os.Chown(path, f.Owner, f.Owner); err != nil {
				return err
			}
		}
		mode := os.FileMode(f.Mode & 0o777)
		if f.Mode&0o1000 != 0 {
			mode |= os.ModeSticky
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			return err
		}
		if err := os.Chtimes(path, c.origin.Time, c.origin.Time); err != nil {
			return err
		}
	}
	return nil
}
