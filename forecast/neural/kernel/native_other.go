//go:build !amd64

package kernel

// native lists the implementations made for this processor.
func native() []Set { return nil }
