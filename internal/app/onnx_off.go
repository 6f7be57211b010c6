//go:build !onnx

package app

import "github.com/foretick/foretick/internal/catalog"

// BroughtModels are the models that the user brings along as files. This build can run none:
// that takes the build tag onnx.
type BroughtModels struct{}

// Open returns no models.
func (*BroughtModels) Open() (models []catalog.Model, closeAll func() error, err error) {
	return nil, func() error { return nil }, nil
}
