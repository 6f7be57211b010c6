package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/modelfile"
	"github.com/foretick/foretick/internal/registry"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func openStore(t testing.TB, dir string) store.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// open is a registry at a clock that stands still.
func open(t testing.TB, st store.DocumentStore) (*registry.Registry, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	r, err := registry.Open(t.Context(), registry.Config{Store: st, Now: func() time.Time { return noon },
		Log: slog.New(slog.NewTextHandler(&log, nil)), Reserved: []string{"naive", "ets"}})
	if err != nil {
		t.Fatal(err)
	}
	return r, &log
}

// price is a price model of two units, another for each seed.
func price(t testing.TB, seed uint64) *neural.PriceModel {
	t.Helper()
	net, err := neural.NewNetwork(neural.Shape{Cell: neural.LSTM, Inputs: 1, Units: 2, Layers: 1, Outputs: 1}, seed)
	if err != nil {
		t.Fatal(err)
	}
	m, err := neural.NewPriceModel(net, neural.Standard{Mean: []float64{100, 101.5, 0.1}, Scale: []float64{3, 4, 1. / 3}}, neural.Standard{Mean: []float64{99}, Scale: []float64{2}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func daily(t testing.TB) []market.Bar {
	t.Helper()
	return forecasttest.ReadBars(t, testdata.Market(t, "daily/INDEX.csv"))
}

// trained is a network of two units that saw the first bars for one epoch.
func trained(t testing.TB, bars []market.Bar, seed uint64) *neural.Trained {
	t.Helper()
	s := neural.NewSamples(market.Day)
	if err := s.Add(t.Context(), "file:INDEX@1d", bars, nil); err != nil {
		t.Fatal(err)
	}
	o := neural.Defaults()
	o.Units, o.Steps, o.Warm, o.Epochs, o.Patience, o.Restarts, o.Ensemble, o.Seed = 2, 16, 4, 1, 1, 2, 2, seed
	tr, err := neural.NewTrainer(s, o)
	if err != nil {
		t.Fatal(err)
	}
	for !tr.Done() {
		if _, err := tr.Epoch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	v, err := tr.Trained(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func put(t testing.TB, r *registry.Registry, name string, a neural.Artifact) *registry.Version {
	t.Helper()
	v, _, err := r.Put(t.Context(), name, a, "a test")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ids are the versions as "name/id".
func ids(r *registry.Registry) (list []string) {
	for _, v := range r.Versions() {
		list = append(list, v.Name+"/"+v.ID)
	}
	return list
}

// What was put is there after a restart, to the last bit.
func TestVersionsSurvive(t *testing.T) {
	dir := t.TempDir()
	st := openStore(t, dir)
	r, _ := open(t, st)
	arts := map[string]neural.Artifact{"original": price(t, 1), "lstm": trained(t, daily(t)[:700], 1)}
	files := map[string][]byte{}
	for name, a := range arts {
		v, first, err := r.Put(t.Context(), name, a, "from here\nand \"there\", naïvely")
		if err != nil || !first || v.ID != a.ID() || v.Created != market.TimeOf(noon) || v.Size == 0 {
			t.Fatalf("%+v, %v, %v", v, first, err)
		}
		if files[name], err = r.File(t.Context(), name, v.ID); err != nil || len(files[name]) != v.Size {
			t.Fatalf("the file has %d bytes (%v), the version says %d", len(files[name]), err, v.Size)
		}
	}
	before := r.Versions()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}

	r, log := open(t, openStore(t, dir))
	if log.Len() > 0 {
		t.Error(log)
	}
	after := r.Versions()
	if len(after) != 2 || len(before) != 2 {
		t.Fatalf("%d versions, and %d before", len(after), len(before))
	}
	for i, v := range after {
		w := before[i]
		if v.Name != w.Name || v.ID != w.ID || v.Created != w.Created || v.Source != w.Source || v.Size != w.Size {
			t.Errorf("%+v came back as %+v", w, v)
		}
		a, err := v.Artifact.Describe()
		b, err2 := w.Artifact.Describe()
		if err != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is described otherwise: %s (%v), %s (%v)", v.Name, a, err, b, err2)
		}
		file, err := r.File(t.Context(), v.Name, "")
		if err != nil || !bytes.Equal(file, files[v.Name]) {
			t.Errorf("%s: another file (%v)", v.Name, err)
		}
		if again, err := registry.Write(v); err != nil || !bytes.Equal(again, file) {
			t.Errorf("%s: written again it differs (%v)", v.Name, err)
		}
	}
	prices := []float64{100, 103, 0.5}
	m, ok := after[1].Artifact.(*neural.PriceModel)
	if !ok {
		t.Fatalf("%T", after[1].Artifact)
	}
	got, err := m.Predict(prices)
	want, err2 := arts["original"].(*neural.PriceModel).Predict(prices)
	if err != nil || err2 != nil || got != want {
		t.Errorf("it answers %v (%v), was %v (%v)", got, err, want, err2)
	}
}

func TestPut(t *testing.T) {
	st := openStore(t, t.TempDir())
	r, _ := open(t, st)
	one := put(t, r, "mine", price(t, 1))

	// The same again changes nothing, whatever is said of it.
	again, first, err := r.Put(t.Context(), "mine", price(t, 1), "elsewhere")
	if err != nil || first || again != one || len(r.Versions()) != 1 {
		t.Errorf("again: %+v, %v, %v", again, first, err)
	}
	// The same under another name is another model.
	if v, first, err := r.Put(t.Context(), "yours", price(t, 1), ""); err != nil || !first || v.ID != one.ID || v.Name != "yours" {
		t.Errorf("another name: %+v, %v, %v", v, first, err)
	}
	// The version put last is the newest, though the clock stands.
	for seed := uint64(2); seed < 8; seed++ {
		v, first, err := r.Put(t.Context(), "mine", price(t, seed), "")
		if err != nil || first {
			t.Fatalf("%v, %v", first, err)
		}
		if newest, err := r.Version("mine", ""); err != nil || newest != v {
			t.Errorf("the newest is %+v (%v), was put %+v", newest, err, v)
		}
		if m := r.Models(); len(m) != 2 || m[0].Name != "mine" || m[0].Newest != v || m[0].Price != v.Artifact || m[0].Kind != registry.KindPrice {
			t.Errorf("%+v", m)
		}
	}
	want := ids(r)
	again2, _ := open(t, st)
	if got := ids(again2); !slices.Equal(got, want) {
		t.Errorf("opened again the order is %v, was %v", got, want)
	}

	// Kinds do not mix under a name.
	late := trained(t, daily(t)[:400], 1)
	if _, _, err := r.Put(t.Context(), "mine", late, ""); !errors.Is(err, registry.ErrName) || !strings.Contains(err.Error(), "of kind price") || !strings.Contains(err.Error(), "choose another name") {
		t.Errorf("another kind: %v", err)
	}
	put(t, r, "net", late)
	if _, _, err := r.Put(t.Context(), "net", price(t, 1), ""); !errors.Is(err, registry.ErrName) || !strings.Contains(err.Error(), "of kind distribution") {
		t.Errorf("another kind: %v", err)
	}
	// Until the last of the other kind is gone.
	if err := r.Delete(t.Context(), "net", late.ID()); err != nil {
		t.Fatal(err)
	}
	if _, first, err := r.Put(t.Context(), "net", price(t, 1), ""); err != nil || !first {
		t.Errorf("after the deletion: %v, %v", first, err)
	}
}

func TestNames(t *testing.T) {
	r, _ := open(t, openStore(t, t.TempDir()))
	for name, words := range map[string]string{
		"":                      "lower-case",
		"Original":              "lower-case",
		"1st":                   "a letter first",
		"a--b":                  "single hyphens",
		"a-":                    "single hyphens",
		"-a":                    "single hyphens",
		"a b":                   "lower-case",
		"a/b":                   "lower-case",
		"a\n":                   "lower-case",
		"ünal":                  "lower-case",
		strings.Repeat("a", 33): "at most 32",
		"naive":                 "belongs to Foretick",
		"ets":                   "belongs to Foretick",
		"default":               "belongs to Foretick",
		"all":                   "belongs to Foretick",
	} {
		if err := r.CheckName(name); !errors.Is(err, registry.ErrName) || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", name, err)
		}
		if _, _, err := r.Put(t.Context(), name, price(t, 1), ""); !errors.Is(err, registry.ErrName) {
			t.Errorf("put %q: %v", name, err)
		}
	}
	for _, name := range []string{"a", "lstm-2x32", strings.Repeat("a", 32)} {
		if err := r.CheckName(name); err != nil {
			t.Error(err)
		}
	}
	if len(r.Versions()) != 0 {
		t.Error(ids(r))
	}
}

func TestDelete(t *testing.T) {
	st := openStore(t, t.TempDir())
	r, _ := open(t, st)
	one, two := put(t, r, "mine", price(t, 1)), put(t, r, "mine", price(t, 2))
	if err := r.Delete(t.Context(), "mine", two.ID); err != nil {
		t.Fatal(err)
	}
	if v, err := r.Version("mine", ""); err != nil || v != one {
		t.Errorf("the newest is %+v, %v", v, err)
	}
	for what, err := range map[string]error{
		"delete again":   r.Delete(t.Context(), "mine", two.ID),
		"delete no name": r.Delete(t.Context(), "yours", one.ID),
		"version":        second(r.Version("mine", two.ID)),
		"version of one": second(r.Version("yours", "")),
		"file":           second(r.File(t.Context(), "mine", two.ID)),
	} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Put again, it is the newest again.
	if v := put(t, r, "mine", price(t, 2)); r.Models()[0].Newest != v || v.ID != two.ID {
		t.Errorf("%+v", v)
	}
	if err := r.Delete(t.Context(), "mine", two.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), "mine", one.ID); err != nil {
		t.Fatal(err)
	}
	again, _ := open(t, st)
	if len(r.Models()) != 0 || len(again.Versions()) != 0 {
		t.Errorf("left are %v and, opened again, %v", ids(r), ids(again))
	}
}

func second[T any](_ T, err error) error { return err }

// A damaged version is left out, with a word in the log; the others are there.
func TestDamaged(t *testing.T) {
	st := openStore(t, t.TempDir())
	r, _ := open(t, st)
	good := put(t, r, "good", price(t, 1))
	file, err := r.File(t.Context(), "good", good.ID)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(file)
	flipped[len(flipped)-2] ^= 1 // a weight
	nan := bytes.Clone(file)
	nan[len(nan)-1], nan[len(nan)-2] = 0x7f, 0xc0
	bare, err := modelfile.WriteSafetensors(modelfile.Tensors{"w": {Shape: []int{1}, Data: []float32{1}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.ReplaceAll(file, []byte("foretick-neural/1"), []byte("foretick-neural/9"))
	bad := map[string][]byte{"a/empty": nil, "a/words": []byte("no"), "a/half": file[:len(file)/2], "good/flipped": flipped,
		"a/nan": nan, "a/bare": bare, "a/other-format": other, "else/" + good.ID: file}
	for name, body := range bad {
		if err := st.PutDocuments(t.Context(), store.Document{Kind: "version", Name: name, At: 1, Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	r, log := open(t, st)
	if list := ids(r); len(list) != 1 || list[0] != "good/"+good.ID {
		t.Errorf("%v", list)
	}
	for name := range bad {
		if n := strings.Count(log.String(), name+" "); n < 1 {
			t.Errorf("the log does not name %s", name)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != len(bad) {
		t.Errorf("%d errors in the log, want %d: %s", n, len(bad), log)
	}
}

// A forecaster that was handed out uses versions that are put later, from the cutoff on at
// which they may be used.
func TestForecasterLearnsOfVersions(t *testing.T) {
	r, _ := open(t, openStore(t, t.TempDir()))
	bars := daily(t)
	early := put(t, r, "lstm", trained(t, bars[:400], 1))
	models := r.Models()
	if len(models) != 1 || models[0].Kind != registry.KindDistribution || models[0].Price != nil {
		t.Fatalf("%+v", models)
	}
	f, ok := models[0].Forecaster().(forecast.Follower)
	if !ok || f.Name() != "lstm" {
		t.Fatalf("%T", f)
	}
	s := f.Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}})
	at := 0
	until := func(n int) forecast.Window {
		var w forecast.Window
		for ; at < n; at++ {
			w = forecast.NewWindow(market.Day, bars[max(0, at-1023):at+1])
			s.Update(w)
		}
		return w
	}
	uses := func(want string) {
		t.Helper()
		if err := s.Refit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b, err := s.Encode(); err != nil || !strings.HasSuffix(string(b), want) {
			t.Errorf("it uses %s (%v), want %s", b, err, want)
		}
	}
	until(450)
	uses(early.ID)
	late := put(t, r, "lstm", trained(t, bars[:500], 2))
	uses(early.ID) // the later one has seen bars after this cutoff
	w := until(520)
	uses(late.ID)
	if p, err := s.Predict(w, 1); err != nil || p.Quantiles[0] >= p.Quantiles[len(p.Quantiles)-1] {
		t.Errorf("%v, %v", p, err)
	}
	// A deleted one is used on, as the doc says.
	if err := r.Delete(t.Context(), "lstm", late.ID); err != nil {
		t.Fatal(err)
	}
	until(530)
	uses(late.ID)
}

// A price model's forecaster answers, too.
func TestPriceForecaster(t *testing.T) {
	r, _ := open(t, openStore(t, t.TempDir()))
	put(t, r, "mine", price(t, 1))
	if f := r.Models()[0].Forecaster(); f.Name() != "mine" {
		t.Errorf("%q", f.Name())
	}
}

// failing is a store that cannot write.
type failing struct{ store.DocumentStore }

var errDisk = errors.New("the disk is full")

func (failing) PutDocuments(context.Context, ...store.Document) error { return errDisk }
func (failing) DeleteDocument(context.Context, string, string) error  { return errDisk }

// What could not be stored is not there, and what could not be deleted is.
func TestStoreFails(t *testing.T) {
	st := openStore(t, t.TempDir())
	r, _ := open(t, st)
	v := put(t, r, "mine", price(t, 1))
	r, _ = open(t, failing{st})
	if _, _, err := r.Put(t.Context(), "mine", price(t, 2), ""); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	if err := r.Delete(t.Context(), "mine", v.ID); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	if list := ids(r); len(list) != 1 || list[0] != "mine/"+v.ID {
		t.Error(list)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Open(t.Context(), registry.Config{Store: st, Now: time.Now}); err == nil {
		t.Error("a closed store was opened")
	}
}

// Readers and writers meet.
func TestConcurrent(t *testing.T) {
	r, _ := open(t, openStore(t, t.TempDir()))
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			name := fmt.Sprintf("m%d", g%2)
			for seed := range uint64(5) {
				v, _, err := r.Put(t.Context(), name, price(t, seed), "")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := r.File(t.Context(), name, v.ID); err != nil {
					t.Error(err)
				}
				for _, m := range r.Models() {
					_ = m.Forecaster()
				}
			}
		})
	}
	group.Wait()
	if n := len(r.Versions()); n != 10 {
		t.Errorf("%d versions, want 10: %v", n, ids(r))
	}
}

// FuzzRead feeds files to Read: it never panics, and what it takes can be written and is
// the same version again.
func FuzzRead(f *testing.F) {
	for _, a := range []neural.Artifact{price(f, 1), trained(f, daily(f)[:400], 1)} {
		b, err := registry.Write(&registry.Version{Name: "mine", Created: 1, Source: "a test", Artifact: a})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		v, err := registry.Read(file)
		if err != nil {
			if !errors.Is(err, registry.ErrFile) {
				t.Fatalf("%v does not wrap ErrFile", err)
			}
			return
		}
		b, err := registry.Write(v)
		if err != nil {
			t.Fatal(err)
		}
		w, err := registry.Read(b)
		if err != nil || w.ID != v.ID || w.Name != v.Name || w.Created != v.Created || w.Source != v.Source {
			t.Fatalf("%+v came back as %+v (%v)", v, w, err)
		}
	})
}
