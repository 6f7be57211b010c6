// Command image makes the container image without a container engine: for each platform one
// layer on an empty base, which holds the program and what it consists of. The same sources and
// the same Go give the same digest.
//
//	go run ./deploy/image -o bin
//	podman load -i bin/foretick-image.tar                  both platforms, an OCI archive
//	docker load -i bin/foretick-image-docker-amd64.tar     one platform
//	go run ./deploy/image -o bin -push registry.example/foretick:1.2.3
//
// With -rootfs it only writes the files of one platform's image into a folder, which is what the
// Dockerfile copies.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/foretick/foretick/deploy/internal/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("image", flag.ContinueOnError)
	out := set.String("o", "bin", "folder to write to")
	tag := set.String("tag", "foretick:latest", "name of the image")
	version := set.String("version", "", "version, in place of the git tag")
	push := set.String("push", "", "registry reference to push to, with the SBOM of each platform as its referrer")
	rootfs := set.String("rootfs", "", "only write the files of the image into this folder")
	platform := set.String("platform", "", "platform of -rootfs, such as linux/arm64")
	if err := set.Parse(args); err != nil {
		return err
	}
	o, err := program.Discover(ctx, *version, os.Getenv)
	if err != nil {
		return err
	}
	if *rootfs != "" {
		os_, arch, _ := strings.Cut(*platform, "/")
		c, err := contentOf(ctx, o, program.Platform{OS: os_, Arch: arch})
		if err != nil {
			return err
		}
		return c.unpack(*rootfs)
	}
	ref, err := name.NewTag(*tag)
	if err != nil {
		return err
	}
	var parts []part
	for _, p := range platforms {
		fmt.Printf("building %s for %s\n", o.Version, p)
		c, err := contentOf(ctx, o, p)
		if err != nil {
			return err
		}
		made, err := c.image()
		if err != nil {
			return err
		}
		parts = append(parts, made)
	}
	if err := save(*out, ref, o, parts); err != nil {
		return err
	}
	if *push == "" {
		return nil
	}
	to, err := name.ParseReference(*push)
	if err != nil {
		return err
	}
	if err := pushAll(ctx, to, index(parts, o), parts, authn.DefaultKeychain); err != nil {
		return fmt.Errorf("pushing to %s: %w", to, err)
	}
	fmt.Println("pushed", to)
	return nil
}

// platforms are what the image is made for.
var platforms = []program.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}}

// save writes the OCI archive of all platforms, and for each platform a file for docker load.
func save(dir string, ref name.Tag, o program.Origin, parts []part) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	idx := index(parts, o)
	oci := filepath.Join(dir, "foretick-image.tar")
	if err := archive(oci, ref, idx, o.Time); err != nil {
		return err
	}
	digest, err := idx.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s %s\n", oci, ref, digest)
	for _, p := range parts {
		file := filepath.Join(dir, "foretick-image-docker-"+p.content.platform.Arch+".tar")
		if err := tarball.MultiWriteToFile(file, map[name.Tag]v1.Image{ref: p.image}); err != nil {
			return err
		}
		sbom := filepath.Join(dir, "foretick-image-"+p.content.platform.Arch+".spdx.json")
		if err := os.WriteFile(sbom, p.content.sbom, 0o644); err != nil {
			return err
		}
		d, err := p.image.Digest()
		if err != nil {
			return err
		}
		size, err := p.size()
		if err != nil {
			return err
		}
		fmt.Printf("%s: %s %s, %.1f MB to pull, %.1f MB unpacked\n%s\n", file, p.content.platform, d, float64(size)/1e6, float64(p.content.bytes())/1e6, sbom)
	}
	return nil
}
