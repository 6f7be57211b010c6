package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/deploy/internal/program"
	"github.com/foretick/foretick/deploy/internal/sbom"
)

var origin = program.Origin{Version: "1.2.3-rc.1", Revision: strings.Repeat("ab", 20), Time: time.Unix(1_800_000_000, 0).UTC()}

// hello is a small program.
func hello(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hello")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "github.com/foretick/foretick/deploy/image/testdata/hello").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// own is this test's program, which says of its modules what every Go program says.
func own(t *testing.T) []byte {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sources(t *testing.T) map[string][]byte {
	t.Helper()
	t.Chdir("../..")
	papers, err := read("LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "docs/install.md", "web/package-lock.json",
		"deploy/debian/foretick.service", "deploy/debian/foretick.yaml", "deploy/debian/environment", "deploy/debian/postinst", "deploy/debian/prerm", "deploy/debian/postrm")
	if err != nil {
		t.Fatal(err)
	}
	return papers
}

func TestSameSourcesSameBytes(t *testing.T) {
	papers, prog := sources(t), hello(t)
	for _, p := range []program.Platform{{OS: "linux", Arch: "arm64"}, {OS: "windows", Arch: "amd64"}} {
		first, err := pack(origin, p, prog, papers)
		if err != nil {
			t.Fatal(err)
		}
		second, err := pack(origin, p, prog, papers)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range first {
			if !bytes.Equal(b, second[name]) {
				t.Errorf("%s differs from one time to the next", name)
			}
		}
		if p.OS == "windows" {
			z := first["foretick_1.2.3-rc.1_windows_amd64.zip"]
			r, err := zip.NewReader(bytes.NewReader(z), int64(len(z)))
			if err != nil || r.File[0].Name != "foretick_1.2.3-rc.1_windows_amd64/foretick.exe" || !r.File[0].Modified.Equal(origin.Time) {
				t.Errorf("%v %v", r, err)
			}
			continue
		}
		files := untar(t, first["foretick_1.2.3-rc.1_linux_arm64.tar.gz"])
		if !bytes.Equal(files["foretick_1.2.3-rc.1_linux_arm64/foretick"], prog) || files["foretick_1.2.3-rc.1_linux_arm64/foretick.service"] == nil {
			t.Errorf("%d files in the archive", len(files))
		}
	}
}

func untar(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || !h.ModTime.Equal(origin.Time) {
			t.Errorf("%s belongs to %d, is of %v", h.Name, h.Uid, h.ModTime)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDebianPackage reads the package by its format, and with dpkg-deb where that is.
func TestDebianPackage(t *testing.T) {
	prog := hello(t)
	files, err := pack(origin, program.Platform{OS: "linux", Arch: "amd64"}, prog, sources(t))
	if err != nil {
		t.Fatal(err)
	}
	const name = "foretick_1.2.3~rc.1_amd64.deb"
	deb := files[name]
	members := map[string][]byte{}
	rest, ok := bytes.CutPrefix(deb, []byte("!<arch>\n"))
	if !ok {
		t.Fatal("no ar archive")
	}
	for len(rest) > 60 {
		n, err := strconv.Atoi(strings.TrimSpace(string(rest[48:58])))
		if err != nil || string(rest[58:60]) != "`\n" {
			t.Fatalf("header %q: %v", rest[:60], err)
		}
		members[strings.TrimSpace(string(rest[:16]))] = rest[60 : 60+n]
		rest = rest[60+n+n%2:]
	}
	control, data := untar(t, members["control.tar.gz"]), untar(t, members["data.tar.gz"])
	if string(members["debian-binary"]) != "2.0\n" || !strings.Contains(string(control["./control"]), "\nVersion: 1.2.3~rc.1\nArchitecture: amd64\n") {
		t.Errorf("control %s", control["./control"])
	}
	if !bytes.Equal(data["./usr/bin/foretick"], prog) || !strings.Contains(string(control["./md5sums"]), "  usr/bin/foretick\n") {
		t.Errorf("%d files", len(data))
	}
	for _, line := range strings.Fields(string(control["./conffiles"])) {
		if data["."+line] == nil {
			t.Errorf("the settings %s are not in the package", line)
		}
	}
	if _, err := exec.LookPath("dpkg-deb"); err == nil {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, deb, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, arg := range []string{"-I", "-c"} {
			if out, err := exec.Command("dpkg-deb", arg, path).CombinedOutput(); err != nil || !strings.Contains(string(out), "foretick") {
				t.Errorf("dpkg-deb %s: %v\n%s", arg, err, out)
			}
		}
	}
}

func TestDebianVersion(t *testing.T) {
	for in, want := range map[string]string{
		"1.2.3": "1.2.3", "1.2.3-rc.1": "1.2.3~rc.1", "1.2.3-4-g0123456789ab": "1.2.3+4.g0123456789ab", "0.0.0-dev+0123": "0.0.0~dev+0123",
	} {
		if got := debianVersion(in); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}

func TestSBOM(t *testing.T) {
	list, err := sbom.Of(sbom.Subject{Name: "foretick", Version: origin.Version, Source: program.Source, Created: origin.Time, Program: own(t), Lock: sources(t)["web/package-lock.json"]})
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		SPDXVersion string
		Packages    []struct {
			SPDXID, Name, VersionInfo string
		}
		Relationships []struct{ SpdxElementID, RelatedSpdxElement string }
	}
	if err := json.Unmarshal(list, &d); err != nil {
		t.Fatal(err)
	}
	have, ids := map[string]string{}, map[string]bool{"SPDXRef-DOCUMENT": true}
	for _, p := range d.Packages {
		have[p.Name] = p.VersionInfo
		if ids[p.SPDXID] {
			t.Errorf("%s is there twice", p.SPDXID)
		}
		ids[p.SPDXID] = true
	}
	if d.SPDXVersion != "SPDX-2.3" || have["foretick"] != origin.Version || have["stdlib"] == "" || have["preact"] == "" || have["vite"] != "" {
		t.Errorf("%s %v", d.SPDXVersion, have)
	}
	for _, r := range d.Relationships {
		if !ids[r.SpdxElementID] || !ids[r.RelatedSpdxElement] {
			t.Errorf("a relation of what is not there: %+v", r)
		}
	}
}

func TestChecksums(t *testing.T) {
	got := list(map[string]string{"b": strings.Repeat("1", 64), "a": strings.Repeat("2", 64)})
	if want := strings.Repeat("2", 64) + "  a\n" + strings.Repeat("1", 64) + "  b\n"; got != want {
		t.Errorf("%q", got)
	}
}

// TestNotes cuts the notes of a version out of a changelog.
func TestNotes(t *testing.T) {
	script, err := filepath.Abs("../../tools/notes")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	changes := "# Changelog\n\n## Unreleased\n\n## 1.10.0 - 2027-01-02\n\n- The new.\n\n## 1.1.0 - 2027-01-01\n\n- The old.\n\n## 1.0.0\n"
	if err := os.WriteFile("CHANGELOG.md", []byte(changes), 0o600); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{"1.10.0": "- The new.", "1.1.0": "- The old.", "1.0.0": "", "Unreleased": "", "1.1": ""} {
		out, err := exec.Command(script, version).Output()
		if got := strings.TrimSpace(string(out)); got != want || (err == nil) != (want != "") {
			t.Errorf("of %s the notes are %q, %v, want %q", version, got, err, want)
		}
	}
}
