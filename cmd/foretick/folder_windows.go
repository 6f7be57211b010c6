package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// writable reports whether this user may create files in a folder. Access lists have many
// ways to say no: trying is the only sure one.
func writable(folder string) bool {
	f, err := os.CreateTemp(folder, ".foretick-*")
	if err != nil {
		return false
	}
	_ = f.Close()
	return os.Remove(f.Name()) == nil
}

// freeSpace is how many bytes this user can still store in a folder.
func freeSpace(folder string) (free uint64, err error) {
	name, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return 0, err
	}
	return free, windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
}
