package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	staticlayer "github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/foretick/foretick/deploy/internal/bundle"
	"github.com/foretick/foretick/deploy/internal/program"
)

// part is the image of one platform.
type part struct {
	content *content
	image   v1.Image
}

// size is what a registry sends of it.
func (p part) size() (int64, error) {
	layers, err := p.image.Layers()
	if err != nil {
		return 0, err
	}
	n := int64(0)
	for _, l := range layers {
		size, err := l.Size()
		if err != nil {
			return 0, err
		}
		n += size
	}
	return n, nil
}

// settings are how the image is run. The Dockerfile says the same.
func (c *content) settings() v1.Config {
	return v1.Config{
		Entrypoint: []string{"/foretick"}, Cmd: []string{"serve"},
		Env:          []string{"PORT=8080", "FORETICK_DATA=/data"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Volumes:      map[string]struct{}{"/data": {}},
		User:         fmt.Sprintf("%d:%d", user, user),
		StopSignal:   "SIGTERM",
		Labels:       labels(c.origin),
	}
}

// labels say where the image comes from
// (https://github.com/opencontainers/image-spec/blob/main/annotations.md).
func labels(o program.Origin) map[string]string {
	const p = "org.opencontainers.image."
	l := map[string]string{
		p + "title": "Foretick", p + "description": "Watches markets, forecasts them, seals the forecasts and judges them",
		p + "licenses": "Apache-2.0", p + "source": program.Source, p + "version": o.Version, p + "created": o.Time.Format(time.RFC3339),
		"com.github.foretick.sbom": "/sbom.spdx.json",
	}
	if o.Revision != "" {
		l[p+"revision"] = o.Revision
	}
	return l
}

// image makes the image of one platform.
func (c *content) image() (part, error) {
	tar, err := bundle.Tar(c.files, c.origin.Time)
	if err != nil {
		return part{}, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(tar)), nil }, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return part{}, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: c.origin.Time}
	img, err := mutate.Append(base, mutate.Addendum{Layer: layer, MediaType: types.OCILayer, History: v1.History{Created: created, CreatedBy: "deploy/image"}})
	if err != nil {
		return part{}, err
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return part{}, err
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture, cfg.Created, cfg.Config = c.platform.OS, c.platform.Arch, created, c.settings()
	img, err = mutate.ConfigFile(img, cfg)
	return part{c, img}, err
}

// index joins the platforms.
func index(parts []part, o program.Origin) v1.ImageIndex {
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range parts {
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: p.image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.content.platform.OS, Architecture: p.content.platform.Arch}}})
	}
	return mutate.Annotations(idx, labels(o)).(v1.ImageIndex)
}

// archive writes idx as an OCI layout in a tar file, named ref.
func archive(file string, ref name.Tag, idx v1.ImageIndex, at time.Time) error {
	dir, err := os.MkdirTemp("", "foretick-layout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := l.AppendIndex(idx, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": ref.String(), "io.containerd.image.name": ref.Name()})); err != nil {
		return err
	}
	var files []bundle.File
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // in order of names
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			files = append(files, bundle.File{Name: filepath.ToSlash(rel) + "/", Mode: 0o755})
			return nil
		}
		b, err := os.ReadFile(path)
		files = append(files, bundle.File{Name: filepath.ToSlash(rel), Mode: 0o644, Data: b})
		return err
	})
	if err != nil {
		return err
	}
	b, err := bundle.Tar(files, at)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

// sbomType is the media type of an SPDX document.
const sbomType = types.MediaType("application/spdx+json")

// pushAll pushes the index, and each platform's SBOM as a referrer of that platform's image.
func pushAll(ctx context.Context, to name.Reference, idx v1.ImageIndex, parts []part, keys authn.Keychain) error {
	opts := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(keys)}
	if err := remote.WriteIndex(to, idx, opts...); err != nil {
		return err
	}
	for _, p := range parts {
		desc, err := partial.Descriptor(p.image)
		if err != nil {
			return err
		}
		img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), sbomType), mutate.Addendum{Layer: staticlayer.NewLayer(p.content.sbom, sbomType), MediaType: sbomType})
		if err != nil {
			return err
		}
		referrer := mutate.Subject(img, *desc).(v1.Image)
		digest, err := referrer.Digest()
		if err != nil {
			return err
		}
		if err := remote.Write(to.Context().Digest(digest.String()), referrer, opts...); err != nil {
			return fmt.Errorf("the SBOM of %s: %w", p.content.platform, err)
		}
	}
	return nil
}
