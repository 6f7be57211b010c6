//go:build !onnx

package app_test

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/foretick/foretick/internal/app"
)

// A build without ONNX knows no flag of it and brings no model.
func TestNoBroughtModels(t *testing.T) {
	var flags struct{ app.BroughtModels }
	parser, err := kong.New(&flags)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--onnx", "net.onnx"}); err == nil || !strings.Contains(err.Error(), "unknown flag --onnx") {
		t.Errorf("--onnx: %v", err)
	}
	models, closeAll, err := flags.Open()
	if err != nil || len(models) != 0 {
		t.Fatalf("%d models, %v", len(models), err)
	}
	if err := closeAll(); err != nil {
		t.Error(err)
	}
}
