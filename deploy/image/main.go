// Command image packs bin/foretick into a container image without a container
// engine: one layer on an empty base. The same binary gives the same digest.
//
//	go run ./deploy/image -o bin/foretick-image.tar
//	podman load -i bin/foretick-image.tar
package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	binary := flag.String("binary", "bin/foretick", "program to pack")
	out := flag.String("o", "bin/foretick-image.tar", "file to write")
	tag := flag.String("tag", "foretick:latest", "name of the image")
	flag.Parse()
	digest, err := run(*binary, *out, *tag)
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	fmt.Printf("wrote %s: %s %s\n", *out, *tag, digest)
}

func run(binary, out, tag string) (string, error) {
	prog, err := os.ReadFile(binary)
	if err != nil {
		return "", fmt.Errorf("%w; make build makes it", err)
	}
	img, err := build(prog)
	if err != nil {
		return "", err
	}
	ref, err := name.NewTag(tag)
	if err != nil {
		return "", err
	}
	if err := tarball.WriteToFile(out, ref, img); err != nil {
		return "", err
	}
	d, err := img.Digest()
	return d.String(), err
}

// build makes the image of a statically linked Linux program.
func build(prog []byte) (v1.Image, error) {
	if err := static(prog); err != nil {
		return nil, err
	}
	files := []file{
		{name: "foretick", mode: 0o755, data: prog},
		{name: "data", mode: 0o700, dir: true},
		{name: "tmp", mode: 0o1777, dir: true},
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		b, err := pack(files)
		return io.NopCloser(bytes.NewReader(b)), err
	})
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, &v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH,
		RootFS: must(img.ConfigFile()).RootFS,
		Config: v1.Config{
			Entrypoint: []string{"/foretick"}, Cmd: []string{"serve"},
			Env:          []string{"FORETICK_ADDR=0.0.0.0:8080", "FORETICK_DATA=/data"},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
			Volumes:      map[string]struct{}{"/data": {}},
			User:         "65532:65532",
			Labels:       map[string]string{"org.opencontainers.image.title": "Foretick", "org.opencontainers.image.licenses": "Apache-2.0"},
		},
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // an image built from parts in memory always has a configuration
	}
	return v
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

type file struct {
	name string
	mode int64
	data []byte
	dir  bool
}

// pack writes files as a tar whose bytes depend on nothing else.
func pack(files []file) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: time.Unix(0, 0), Uid: 65532, Gid: 65532, Typeflag: tar.TypeReg}
		if f.dir {
			h.Name, h.Typeflag = f.name+"/", tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
