//go:build unix

// Package disk tells what a folder's disk has to give.
package disk

import "golang.org/x/sys/unix"

// Writable reports whether this user may create files in a folder.
func Writable(folder string) bool { return unix.Access(folder, unix.W_OK) == nil }

// Free is how many bytes this user can still store in a folder.
func Free(folder string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}
