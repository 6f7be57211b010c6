package main

import (
	"archive/tar"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// program builds this very command, which is as good a static program as any.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func TestSameProgramSameDigest(t *testing.T) {
	prog := program(t)
	out := filepath.Join(t.TempDir(), "image.tar")
	first, err := run(prog, out, "foretick:test")
	if err != nil {
		t.Fatal(err)
	}
	second, err := run(prog, out, "foretick:test")
	if err != nil || first != second {
		t.Errorf("digests %s and %s, %v", first, second, err)
	}
	img, err := tarball.ImageFromPath(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.OS != "linux" || cfg.Config.Entrypoint[0] != "/foretick" || cfg.Config.User == "" {
		t.Errorf("configuration %+v", cfg)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want, err := os.ReadFile(prog)
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(r)
	h, err := files.Next()
	if err != nil || h.Name != "foretick" || h.Mode != 0o755 {
		t.Fatalf("%+v %v", h, err)
	}
	if got, err := io.ReadAll(files); err != nil || len(got) != len(want) {
		t.Errorf("the program has %d bytes in the image, %d outside, %v", len(got), len(want), err)
	}
}

func TestNotAProgram(t *testing.T) {
	if _, err := build([]byte("#!/bin/sh\n")); err == nil {
		t.Error("a script was packed")
	}
	if _, err := run(filepath.Join(t.TempDir(), "none"), "x.tar", "foretick:test"); err == nil {
		t.Error("nothing was packed")
	}
}
