// Package bundle packs files so that the bytes depend on nothing but the files and one time:
// tar, tar.gz, zip and Debian packages.
package bundle

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// File is a file or a folder to pack. Name has no leading slash; the name of a folder ends in one.
type File struct {
	Name  string
	Mode  int64 // permission bits
	Owner int   // user and group; 0 is root
	Data  []byte
}

// Tar packs files in their order.
func Tar(files []File, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Mode: f.Mode, Size: int64(len(f.Data)), ModTime: at, Uid: f.Owner, Gid: f.Owner, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if f.Owner == 0 {
			h.Uname, h.Gname = "root", "root"
		}
		if strings.HasSuffix(f.Name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.Name, err)
		}
		if _, err := w.Write(f.Data); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.Name, err)
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// TarGz packs files and compresses them.
func TarGz(files []File, at time.Time) ([]byte, error) {
	plain, err := Tar(files, at)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// Zip packs files for Windows.
func Zip(files []File, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: at}
		h.SetMode(0o644)
		if f.Mode&0o111 != 0 {
			h.SetMode(0o755)
		}
		e, err := w.CreateHeader(h)
		if err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.Name, err)
		}
		if _, err := e.Write(f.Data); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.Name, err)
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// Debian packs a Debian package (deb(5)): control holds the control file, the scripts and
// conffiles; md5sums is added.
func Debian(control, data []File, at time.Time) ([]byte, error) {
	var sums strings.Builder
	for _, f := range data {
		if !strings.HasSuffix(f.Name, "/") {
			sum := md5.Sum(f.Data) // what dpkg --verify reads; no protection, nor meant as one
			fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), f.Name)
		}
	}
	control = append(control[:len(control):len(control)], File{Name: "md5sums", Mode: 0o644, Data: []byte(sums.String())})
	c, err := TarGz(dotted(control), at)
	if err != nil {
		return nil, err
	}
	d, err := TarGz(dotted(data), at)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBufferString("!<arch>\n")
	for _, part := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", c}, {"data.tar.gz", d}} {
		fmt.Fprintf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", part.name, at.Unix(), 0, 0, 0o100644, len(part.data))
		b.Write(part.data)
		if len(part.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes(), nil
}

// dotted names files as dpkg does, from the folder above them.
func dotted(files []File) []File {
	out := []File{{Name: "./", Mode: 0o755}}
	for _, f := range files {
		f.Name = "./" + f.Name
		out = append(out, f)
	}
	return out
}
