//go:build !onnx

package app_test

import (
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/app"
)

// A build without the tag onnx brings no models, and says so to who asks for one.
func TestNoBroughtModels(t *testing.T) {
	models, closeAll, err := (&app.BroughtModels{}).Open()
	if err != nil || len(models) != 0 {
		t.Fatalf("%d models, %v", len(models), err)
	}
	if err := closeAll(); err != nil {
		t.Error(err)
	}
	if _, _, err := (&app.BroughtModels{Onnx: []string{"a.onnx"}}).Open(); err == nil || !strings.Contains(err.Error(), "go build -tags onnx") {
		t.Errorf("it says %v", err)
	}
}
