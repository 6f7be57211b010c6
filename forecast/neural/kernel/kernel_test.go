package kernel_test

import (
	"reflect"
	"testing"

	"github.com/foretick/foretick/forecast/neural/kernel"
)

func TestEverySetIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range kernel.All() {
		if k.Name == "" || seen[k.Name] {
			t.Errorf("two sets are named %q, or one has no name", k.Name)
		}
		seen[k.Name] = true
		v := reflect.ValueOf(k)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s has no %s", k.Name, v.Type().Field(i).Name)
			}
		}
	}
}

func TestPlainIsFirstAndTheBestLast(t *testing.T) {
	all := kernel.All()
	if all[0].Name != kernel.Plain.Name || all[len(all)-1].Name != kernel.Best().Name {
		t.Errorf("All begins with %s and ends with %s; Best is %s", all[0].Name, all[len(all)-1].Name, kernel.Best().Name)
	}
}

func TestPad(t *testing.T) {
	for _, test := range []struct{ n, want int }{{0, 0}, {1, 16}, {10, 16}, {16, 16}, {17, 32}, {32, 32}} {
		if got := kernel.Pad(test.n); got != test.want {
			t.Errorf("Pad(%d) is %d, not %d", test.n, got, test.want)
		}
	}
}
