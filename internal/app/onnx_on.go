//go:build onnx

package app

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/onnx"
)

// BroughtModels are the models that the user brings along as files. Without the build tag
// onnx there are none, and no flags that name them.
type BroughtModels struct {
	Onnx        []string `name:"onnx" type:"path" sep:"none" placeholder:"FILE" help:"Network in the ONNX format that joins the race; may be given several times. It is run inside this process: name only files that you trust. docs/guides/onnx.md says what it must read and answer."`
	OnnxRuntime string   `name:"onnx-runtime" placeholder:"FILE" help:"Shared library of ONNX Runtime 1.24 or newer. Default: libonnxruntime where the system keeps its libraries."`
}

// Open opens the files. It returns their models, all in the default race, and what closes
// them when no forecast is asked for any more; then it is logged how often quantiles had to
// be sorted. An error, which names the file, leaves nothing open.
func (b *BroughtModels) Open() (models []catalog.Model, closeAll func() error, err error) {
	var open []*onnx.Model
	shut := func() (err error) {
		for _, m := range open {
			if n := m.Sorted(); n > 0 {
				slog.Warn("quantiles crossed and were sorted", "model", m.Name(), "answers", n)
			}
			err = errors.Join(err, m.Close())
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("--onnx: %w", err), shut())
		}
	}()
	for _, path := range b.Onnx {
		m, err := onnx.Open(path, b.OnnxRuntime)
		if err != nil {
			return nil, nil, err
		}
		same := func(c catalog.Model) bool { return c.New().Name() == m.Name() }
		open = append(open, m)
		switch {
		case slices.ContainsFunc(catalog.Models, same):
			return nil, nil, fmt.Errorf("%s: the name %q belongs to a model of Foretick; rename the file or set the metadata \"foretick.name\"", path, m.Name())
		case slices.ContainsFunc(models, same):
			return nil, nil, fmt.Errorf("%s: another file gives the name %q already; rename one or set the metadata \"foretick.name\"", path, m.Name())
		}
		models = append(models, catalog.Model{New: func() forecast.Forecaster { return m }, Default: true,
			Description: fmt.Sprintf("A network brought along (ONNX, SHA-256 %.8s): it %s.", m.Sum(), m.Shape())})
	}
	return models, shut, nil
}
