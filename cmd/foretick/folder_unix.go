//go:build unix

package main

import "golang.org/x/sys/unix"

// writable reports whether this user may create files in a folder.
func writable(folder string) bool { return unix.Access(folder, unix.W_OK) == nil }

// freeSpace is how many bytes this user can still store in a folder.
func freeSpace(folder string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}
