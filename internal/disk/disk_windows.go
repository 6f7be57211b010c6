// Package disk tells what a folder's disk has to give.
package disk

import (
	"os"

	"golang.org/x/sys/windows"
)

// Writable reports whether this user may create files in a folder. Access lists have many
// ways to say no: trying is the only sure one.
func Writable(folder string) bool {
	f, err := os.CreateTemp(folder, ".foretick-*")
	if err != nil {
		return false
	}
	_ = f.Close()
	return os.Remove(f.Name()) == nil
}

// Free is how many bytes this user can still store in a folder.
func Free(folder string) (free uint64, err error) {
	name, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return 0, err
	}
	return free, windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
}
