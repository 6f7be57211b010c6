package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/foretick/foretick/deploy/internal/program"
)

var origin = program.Origin{Version: "1.2.3", Revision: strings.Repeat("ab", 20), Time: time.Unix(1_800_000_000, 0).UTC()}

// command builds a small static program.
func command(t *testing.T, arch string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "./testdata/hello")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var papers = map[string][]byte{
	"LICENSE": []byte("licence\n"), "NOTICE": []byte("notice\n"),
	"web/package-lock.json": []byte(`{"packages":{"":{},"node_modules/preact":{"version":"10.0.0","license":"MIT"},"node_modules/vite":{"version":"8.0.0","dev":true}}}`),
}

// made makes the images of both platforms.
func made(t *testing.T) []part {
	t.Helper()
	var parts []part
	for _, p := range platforms {
		c, err := gather(origin, p, command(t, p.Arch), papers)
		if err != nil {
			t.Fatal(err)
		}
		made, err := c.image()
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, made)
	}
	return parts
}

func TestSameProgramSameBytes(t *testing.T) {
	ref, err := name.NewTag("foretick:test")
	if err != nil {
		t.Fatal(err)
	}
	var dirs [2]string
	for i := range dirs {
		dirs[i] = t.TempDir()
		if err := save(dirs[i], ref, origin, made(t)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := os.ReadDir(dirs[0])
	if err != nil || len(list) != 5 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, f := range list {
		a, err1 := os.ReadFile(filepath.Join(dirs[0], f.Name()))
		b, err2 := os.ReadFile(filepath.Join(dirs[1], f.Name()))
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs from one time to the next: %v %v", f.Name(), err1, err2)
		}
	}

	// What podman, skopeo and docker read.
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xf", filepath.Join(dirs[0], "foretick-image.tar"), "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	top, err := idx.IndexManifest()
	if err != nil || len(top.Manifests) != 1 {
		t.Fatalf("%+v, %v", top, err)
	}
	inner, err := idx.ImageIndex(top.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	m, err := inner.IndexManifest()
	if err != nil || len(m.Manifests) != 2 || m.Manifests[0].Platform.Architecture != "amd64" || m.Manifests[1].Platform.Architecture != "arm64" {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		img, err := tarball.ImageFromPath(filepath.Join(dirs[0], "foretick-image-docker-"+arch+".tar"), &ref)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := img.ConfigFile()
		if err != nil || cfg.Architecture != arch || cfg.OS != "linux" {
			t.Errorf("%+v, %v", cfg, err)
		}
	}
}

// TestSettings holds the image to what orchestrators are told.
func TestSettings(t *testing.T) {
	for _, p := range made(t) {
		cfg, err := p.image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		c := cfg.Config
		if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/foretick"}) || c.Labels["org.opencontainers.image.version"] != "1.2.3" || c.Labels["org.opencontainers.image.revision"] != origin.Revision {
			t.Errorf("%+v", c)
		}
		files := unpacked(t, p.image)
		if files["foretick"] == nil || !bytes.Equal(files["sbom.spdx.json"], p.content.sbom) || files["licenses/LICENSE"] == nil {
			t.Errorf("%d files", len(files))
		}
	}
}

// unpacked are the files of an image.
func unpacked(t *testing.T, img v1.Image) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	r := mutate.Extract(img)
	defer r.Close()
	cmd := exec.Command("tar", "-x", "--no-same-owner", "-C", dir)
	cmd.Stdin = r
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files := map[string][]byte{}
	for _, f := range []string{"foretick", "sbom.spdx.json", "licenses/LICENSE", "licenses/NOTICE"} {
		if b, err := os.ReadFile(filepath.Join(dir, f)); err == nil {
			files[f] = b
		}
	}
	return files
}

// TestPush pushes to a real registry, and finds the SBOM by the image that it is about.
func TestPush(t *testing.T) {
	s := httptest.NewServer(registry.New(registry.WithReferrersSupport(true)))
	defer s.Close()
	to, err := name.ParseReference(strings.TrimPrefix(s.URL, "http://") + "/foretick:1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	parts := made(t)
	if err := pushAll(t.Context(), to, index(parts, origin), parts, authn.NewMultiKeychain()); err != nil {
		t.Fatal(err)
	}
	idx, err := remote.Index(to)
	if err != nil {
		t.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil || len(m.Manifests) != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	for i, d := range m.Manifests {
		referrers, err := remote.Referrers(to.Context().Digest(d.Digest.String()))
		if err != nil {
			t.Fatal(err)
		}
		list, err := referrers.IndexManifest()
		if err != nil || len(list.Manifests) != 1 || list.Manifests[0].ArtifactType != string(sbomType) {
			t.Fatalf("%+v, %v", list, err)
		}
		img, err := remote.Image(to.Context().Digest(list.Manifests[0].Digest.String()))
		if err != nil {
			t.Fatal(err)
		}
		layers, err := img.Layers()
		if err != nil {
			t.Fatal(err)
		}
		r, err := layers[0].Compressed()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(b, parts[i].content.sbom) {
			t.Errorf("the SBOM of %s is not what was pushed: %v", d.Platform, err)
		}
	}
}

func TestNotAProgram(t *testing.T) {
	if _, err := gather(origin, platforms[0], []byte("#!/bin/sh\n"), papers); err == nil {
		t.Error("a script was packed")
	}
}

// TestDockerfileSaysTheSame compares the last stage of the Dockerfile with the image.
func TestDockerfileSaysTheSame(t *testing.T) {
	f, err := os.Open("../docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := map[string][]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		word, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if word == "FROM" {
			clear(got)
		}
		got[word] = append(got[word], rest)
	}
	c := (&content{origin: origin}).settings()
	list := func(v []string) string { b, _ := json.Marshal(v); return strings.ReplaceAll(string(b), ",", ", ") }
	want := map[string][]string{
		"FROM": {"scratch"}, "ENTRYPOINT": {list(c.Entrypoint)}, "CMD": {list(c.Cmd)}, "USER": {c.User}, "EXPOSE": {"8080/tcp"}, "VOLUME": {"/data"},
		"STOPSIGNAL": {c.StopSignal}, "ENV": c.Env, "COPY": {"--from=build /rootfs/ /"},
	}
	for word, rest := range want {
		if !slices.Equal(got[word], rest) {
			t.Errorf("%s %q in the Dockerfile, %q in the image", word, got[word], rest)
		}
	}
	labelled := strings.Join(got["LABEL"], "\n")
	for key := range c.Labels {
		if !strings.Contains(labelled, key+"=") {
			t.Errorf("the Dockerfile has no label %s", key)
		}
	}
}
