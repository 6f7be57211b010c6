//go:build !onnx

package app

import (
	"errors"

	"github.com/foretick/foretick/internal/catalog"
)

// BroughtModels are the models that the user brings along as files. This build can run none:
// that takes the build tag onnx. The flag is there so that who uses it is told.
type BroughtModels struct {
	Onnx []string `name:"onnx" sep:"none" hidden:""`
}

// Open returns no models, and an error when there are files.
func (b *BroughtModels) Open() (models []catalog.Model, closeAll func() error, err error) {
	if len(b.Onnx) > 0 {
		return nil, nil, errors.New("--onnx: this build cannot run networks in the ONNX format; build one that can with go build -tags onnx ./cmd/foretick (docs/guides/onnx.md)")
	}
	return nil, func() error { return nil }, nil
}
