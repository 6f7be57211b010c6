package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/registry"
	"github.com/foretick/foretick/internal/training"
	"github.com/foretick/foretick/market"
)

// shelf is a registry as the server sees it.
type shelf struct{ *registry.Registry }

func (s shelf) Import(ctx context.Context, file []byte) (*registry.Version, error) {
	v, err := registry.Read(file)
	if err != nil {
		return nil, err
	}
	kept, _, err := s.Put(ctx, v.Name, v.Artifact, v.Source)
	return kept, err
}

// withVersions is a world whose server keeps model versions and trains networks, once the
// returned function has been called, on a random walk of daily bars.
func withVersions(t testing.TB, change ...func(*Config)) (w *world, r *registry.Registry, work func()) {
	t.Helper()
	st := newStore(t)
	r, err := registry.Open(t.Context(), registry.Config{Store: st, Now: time.Now, Reserved: []string{"naive", "ewma"}})
	must(t, err)
	d, err := training.NewDesk(t.Context(), training.Config{Store: st, Now: time.Now,
		Check: func(_ context.Context, o *training.Plan) error {
			if err := r.CheckName(o.Name); err != nil {
				return fmt.Errorf("%w: %w", training.ErrOrder, err)
			}
			if o.Series[0] != amzn {
				return fmt.Errorf("%w: there is no series %q", training.ErrOrder, o.Series[0])
			}
			return nil
		},
		Read: func(ctx context.Context, o *training.Plan) (*neural.Samples, error) {
			s := neural.NewSamples(market.Day)
			return s, s.Add(ctx, string(amzn), forecasttest.Walk(1, 700), nil)
		},
		Put: func(ctx context.Context, o *training.Plan, v *neural.Trained) error {
			_, _, err := r.Put(ctx, o.Name, v, "trained on "+string(amzn))
			return err
		}})
	must(t, err)
	w = newWorldOn(t, st, nil, append(change, func(c *Config) { c.Versions, c.Trainings = shelf{r}, d })...)
	return w, r, func() {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			must(t, <-done)
		})
	}
}

// priceModel is a small model of three prices around 100.
func priceModel(t testing.TB, seed uint64, units int) *neural.PriceModel {
	t.Helper()
	net, err := neural.NewNetwork(neural.Shape{Cell: neural.GRU, Inputs: 1, Units: units, Layers: 1, Outputs: 1}, seed)
	must(t, err)
	m, err := neural.NewPriceModel(net, neural.Standard{Mean: []float64{100, 100, 100}, Scale: []float64{9, 9, 9}}, neural.Standard{Mean: []float64{100}, Scale: []float64{9}})
	must(t, err)
	return m
}

// trained is a tiny network, trained once for all tests.
var trained = sync.OnceValues(func() (*neural.Trained, error) {
	s := neural.NewSamples(market.Day)
	if err := s.Add(context.Background(), string(amzn), forecasttest.Walk(1, 700), nil); err != nil {
		return nil, err
	}
	o := neural.Defaults()
	o.Units, o.Steps, o.Warm, o.Epochs, o.Restarts, o.Ensemble = 2, 8, 3, 2, 1, 1
	tr, err := neural.NewTrainer(s, o)
	if err != nil {
		return nil, err
	}
	for !tr.Done() {
		if _, err := tr.Epoch(context.Background()); err != nil {
			return nil, err
		}
	}
	return tr.Trained(context.Background(), 0)
})

func (w *world) post(path, body string, headers ...string) answer {
	kind := "application/json"
	if path == "/v1/versions" {
		kind = "application/octet-stream"
	}
	return w.do(http.MethodPost, path, body, append(headers, "Content-Type", kind)...)
}

func decoded[T any](t testing.TB, a answer, status int) (v T) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%d, want %d: %.300s", a.StatusCode, status, a.body)
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%v in %.300s", err, a.body)
	}
	return v
}

func TestVersions(t *testing.T) {
	w, r, _ := withVersions(t)
	if list := get200[map[string][]any](w, "/v1/versions")["items"]; list == nil || len(list) > 0 {
		t.Errorf("without versions the list is %v, want []", list)
	}
	price, tr := priceModel(t, 1, 4), must2(trained())(t)
	_, _, err := r.Put(t.Context(), "original", price, "imported from lstm_model.pth")
	must(t, err)
	_, _, err = r.Put(t.Context(), "lstm", tr, "trained on it")
	must(t, err)

	list := get200[struct{ Items []VersionInfo }](w, "/v1/versions").Items
	if len(list) != 2 || list[0].Name != "lstm" || list[1].Name != "original" {
		t.Fatalf("%+v", list)
	}
	about := tr.About()
	if v := list[0]; v.ID != tr.ID() || v.Kind != registry.KindDistribution || v.Interval != "1d" || v.Series != 1 || v.Rows != about.Rows || *v.Until != about.Until || *v.Since != about.Since ||
		*v.Loss != about.Loss || v.Members != 1 || v.Lookback != 8 || v.Parameters != tr.Shape().Parameters() || v.Network != tr.Shape().String() {
		t.Errorf("%+v of %+v", v, about)
	}
	if v := list[1]; v.ID != price.ID() || v.Kind != registry.KindPrice || v.Until != nil || v.Since != nil || v.Loss != nil || v.Lookback != 3 || v.Members != 1 || v.Source != "imported from lstm_model.pth" || v.Bytes == 0 {
		t.Errorf("%+v", v)
	}

	d := get200[VersionDetail](w, "/v1/versions/lstm/"+tr.ID())
	if d.Trained == nil || len(d.Trained.Curve) != 2 || !slices.Equal(d.Trained.Curve, about.Curve) || d.Trained.Options.Units != 2 || d.ID != tr.ID() {
		t.Errorf("%+v, want the learning curve %+v", d.Trained, about.Curve)
	}
	if d := get200[map[string]any](w, "/v1/versions/original/"+price.ID()); d["trained"] != nil || d["since"] != nil || d["loss"] != nil {
		t.Errorf("of what was imported: %v", d)
	}
	for _, path := range []string{"/v1/versions/lstm/" + price.ID(), "/v1/versions/none/" + tr.ID(), "/v1/versions/lstm/x", "/v1/versions/lstm/" + tr.ID() + "/file/", "/v1/versions/..%2f..%2fetc/passwd"} {
		a := w.do(http.MethodGet, path, "")
		if strings.HasSuffix(path, "/file/") {
			wantProblem(t, a, http.StatusNotFound, "")
			continue
		}
		wantProblem(t, a, http.StatusNotFound, "/v1/versions lists them")
		wantProblem(t, w.do(http.MethodGet, path+"/file", ""), http.StatusNotFound, "/v1/versions lists them")
		wantProblem(t, w.do(http.MethodDelete, path, ""), http.StatusNotFound, "/v1/versions lists them")
	}
	wantProblem(t, w.do(http.MethodGet, "/v1/versions/"+strings.Repeat("n", 41)+"/x", ""), http.StatusUnprocessableEntity, "")

	if a := w.do(http.MethodDelete, "/v1/versions/lstm/"+tr.ID(), ""); a.StatusCode != http.StatusNoContent || len(a.body) > 0 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	wantProblem(t, w.do(http.MethodDelete, "/v1/versions/lstm/"+tr.ID(), ""), http.StatusNotFound, "/v1/versions lists them")
	if list := get200[struct{ Items []VersionInfo }](w, "/v1/versions").Items; len(list) != 1 {
		t.Errorf("after it was deleted: %+v", list)
	}
}

func must2[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T { must(t, err); return v }
}

// A file that was downloaded is the same version wherever it is imported, and again where it
// came from.
func TestVersionsTravel(t *testing.T) {
	w, r, _ := withVersions(t)
	there, other, _ := withVersions(t)
	for name, a := range map[string]neural.Artifact{"original": priceModel(t, 1, 4), "lstm": must2(trained())(t)} {
		v, _, err := r.Put(t.Context(), name, a, "made here")
		must(t, err)
		file := w.do(http.MethodGet, "/v1/versions/"+name+"/"+v.ID+"/file", "")
		if want := fmt.Sprintf("attachment; filename=%q", name+"-"+v.ID+".safetensors"); file.StatusCode != 200 || file.Header.Get("Content-Type") != "application/octet-stream" || file.Header.Get("Content-Disposition") != want {
			t.Fatalf("%d %v", file.StatusCode, file.Header)
		}
		for at, w := range map[string]*world{"here": w, "there": there} {
			for range 2 {
				got := decoded[VersionInfo](t, w.post("/v1/versions", string(file.body)), http.StatusCreated)
				if got.Name != name || got.ID != v.ID || got.Source != "made here" || got.Kind != registry.Kind(a) {
					t.Errorf("%s: %+v", at, got)
				}
			}
		}
		again, err := other.Version(name, v.ID)
		must(t, err)
		b, err := again.Artifact.Describe()
		must(t, err)
		if want, _ := a.Describe(); !bytes.Equal(b, want) {
			t.Errorf("%s arrived as %s", want, b)
		}
	}
	if n := len(other.Versions()); n != 2 {
		t.Errorf("%d versions arrived, want 2", n)
	}
}

// What is no version is refused in words, and nothing is stored of it.
func TestVersionsRefused(t *testing.T) {
	w, r, _ := withVersions(t)
	file := func(name string, a neural.Artifact) string {
		b, err := registry.Write(&registry.Version{Name: name, ID: a.ID(), Created: 1, Artifact: a})
		must(t, err)
		return string(b)
	}
	good := file("original", priceModel(t, 1, 4))
	_, _, err := r.Put(t.Context(), "mine", must2(trained())(t), "")
	must(t, err)
	for _, c := range []struct{ name, body, want string }{
		{"nothing", "", ""},
		{"JSON", `{"name":"original"}`, "not a model version"},
		{"a page", "<!DOCTYPE html><html><body>Not found</body></html>", "not a model version"},
		{"a pickle", "\x80\x02cposix\nsystem\nX\x02\x00\x00\x00idq\x00\x85R.", "not a model version"},
		{"cut off", good[:len(good)-9], "not a model version"},
		{"prolonged", good + "x", "not a model version"},
		{"a header as long as memory", "\xff\xff\xff\xff\xff\xff\xff\x7f{}", "not a model version"},
		{"a header that opens and opens", "\x00\x00\x10\x00\x00\x00\x00\x00" + strings.Repeat("[", 1<<20), "not a model version"},
		{"weights without a description", "\x02\x00\x00\x00\x00\x00\x00\x00{}", "what model the weights are of"},
		{"a number in a tensor that is none", strings.Replace(good, good[len(good)-4:], "\x00\x00\xc0\x7f", 1), "not a model version"},
		{"a reserved name", file("naive", priceModel(t, 1, 4)), "belongs to Foretick itself"},
		{"a name that is a path", file("../../x", priceModel(t, 1, 4)), "lower-case letters"},
		{"a name of another kind", file("mine", priceModel(t, 1, 4)), "choose another name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.post("/v1/versions", c.body)
			if c.body == "" {
				wantProblem(t, a, http.StatusBadRequest, "body")
				return
			}
			p := wantProblem(t, a, http.StatusUnprocessableEntity, c.want)
			for _, jargon := range []string{"registry:", "neural:", "model file:", "modelfile"} {
				if strings.Contains(p.Detail, jargon) {
					t.Errorf("the name of a package is no help to who reads %q", p.Detail)
				}
			}
			t.Log(p.Detail)
		})
	}
	if n := len(r.Versions()); n != 1 {
		t.Errorf("%d versions are stored, want 1", n)
	}
	wantProblem(t, w.do(http.MethodPost, "/v1/versions", good, "Content-Type", "application/octet-stream", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "another site")
}

// A version may be larger than other bodies, up to a bound of its own.
func TestVersionsOfManyWeights(t *testing.T) {
	w, r, _ := withVersions(t)
	m := priceModel(t, 1, 330) // 1.3 MB
	b, err := registry.Write(&registry.Version{Name: "large", ID: m.ID(), Created: 1, Artifact: m})
	must(t, err)
	if len(b) < maxBody+1 {
		t.Fatalf("%d bytes prove nothing", len(b))
	}
	if got := decoded[VersionInfo](t, w.post("/v1/versions", string(b)), http.StatusCreated); got.ID != m.ID() || got.Bytes < maxBody+1 {
		t.Errorf("%+v", got)
	}
	if file := w.do(http.MethodGet, "/v1/versions/large/"+m.ID()+"/file", ""); len(file.body) < maxBody+1 {
		t.Errorf("%d %d bytes", file.StatusCode, len(file.body))
	}
	must(t, r.Delete(t.Context(), "large", m.ID()))
	// Too large a one is refused before it is sent, and one that does not say how large it is
	// is read no further than the bound.
	conn, err := net.Dial("tcp", w.http.Listener.Addr().String())
	must(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/versions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", maxVersion+1)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	wantProblem(t, answer{resp, body}, http.StatusRequestEntityTooLarge, "at most 64 MiB")
	for path, item := range w.srv.OpenAPI().Paths {
		if path == "/v1/versions" && (item.Post.MaxBodyBytes != maxVersion+1 || item.Post.BodyReadTimeout != versionLimit) {
			t.Errorf("the route reads %d bytes in %v", item.Post.MaxBodyBytes, item.Post.BodyReadTimeout)
		}
	}
	// Every other body is bounded as before.
	wantProblem(t, w.post("/v1/trainings", `{"series":["`+strings.Repeat("x", maxBody)+`"]}`), http.StatusRequestEntityTooLarge, "too large")
}

// A training is ordered, watched, and its version is there when it is done.
func TestTrainings(t *testing.T) {
	w, r, work := withVersions(t)
	if list := get200[map[string][]any](w, "/v1/trainings")["items"]; list == nil || len(list) > 0 {
		t.Errorf("without trainings the list is %v, want []", list)
	}
	j := decoded[training.Training](t, w.post("/v1/trainings", `{"series":["sim:AMZN@1s"],"cell":"gru","units":2,"steps":8,"epochs":2,"restarts":1,"seed":7,"validation":0.2,"rate":0.01}`), http.StatusAccepted)
	o := j.Plan.Options
	if j.State != desk.Queued || j.Plan.Name != "gru" || o.Cell != neural.GRU || o.Units != 2 || o.Layers != 1 || o.Steps != 8 || o.Warm != 3 || o.Epochs != 2 || o.Restarts != 1 || o.Ensemble != 1 ||
		o.Seed != 7 || o.Validation != 0.2 || o.Rate != 0.01 || o.Batch != neural.Defaults().Batch {
		t.Errorf("%+v", j)
	}
	second := decoded[training.Training](t, w.post("/v1/trainings", `{"series":["sim:AMZN@1s"],"name":"my-net","until":"2001-01-01T00:00:00Z"}`), http.StatusAccepted)
	if want := neural.Defaults(); second.Plan.Options != want || second.Plan.Name != "my-net" || second.Plan.Until.String() != "2001-01-01T00:00:00Z" {
		t.Errorf("%+v, want the defaults %+v", second.Plan, want)
	}
	if list := get200[struct{ Items []training.Training }](w, "/v1/trainings").Items; len(list) != 2 || list[0].ID != second.ID || list[1].ID != j.ID {
		t.Errorf("%+v, want the newest first", list)
	}
	// What waits is cancelled first, then forgotten.
	for _, want := range []int{http.StatusNoContent, http.StatusNoContent} {
		if a := w.do(http.MethodDelete, "/v1/trainings/"+second.ID, ""); a.StatusCode != want {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		wantProblem(t, w.do(method, "/v1/trainings/"+second.ID, ""), http.StatusNotFound, "/v1/trainings lists them")
	}
	work()
	id := j.ID
	for j.State != desk.Done {
		if j = get200[training.Training](w, "/v1/trainings/"+id); j.State == desk.Failed || j.State == desk.Cancelled {
			t.Fatalf("%+v", j)
		}
	}
	if j.Version == "" || j.Progress != 1 || len(j.Curve) != 2 || j.Error != "" {
		t.Errorf("%+v", j)
	}
	d := get200[VersionDetail](w, "/v1/versions/gru/"+j.Version)
	if d.Trained == nil || !slices.Equal(d.Trained.Curve, j.Curve) || d.Kind != registry.KindDistribution {
		t.Errorf("%+v, want the curve %+v", d, j.Curve)
	}
	// The version outlives the training.
	if a := w.do(http.MethodDelete, "/v1/trainings/"+id, ""); a.StatusCode != http.StatusNoContent {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if _, err := r.Version("gru", j.Version); err != nil {
		t.Error(err)
	}
}

// Every order that cannot be carried out is refused with the field and the reason.
func TestTrainingsRefused(t *testing.T) {
	w, _, _ := withVersions(t)
	for _, c := range []struct{ name, body, field, want string }{
		{"no series", `{}`, "body", "required property series"},
		{"empty series", `{"series":[]}`, "body.series", "array length >= 1"},
		{"series that there is not", `{"series":["sim:NO@1s"]}`, "", "there is no series"},
		{"series that is a number", `{"series":[7]}`, "body.series[0]", "string"},
		{"cell", `{"series":["sim:AMZN@1s"],"cell":"transformer"}`, "body.cell", "lstm, gru"},
		{"units", `{"series":["sim:AMZN@1s"],"units":5000}`, "body.units", "<= 1024"},
		{"negative units", `{"series":["sim:AMZN@1s"],"units":-1}`, "body.units", ">= 0"},
		{"units in words", `{"series":["sim:AMZN@1s"],"units":"many"}`, "body.units", "integer"},
		{"layers", `{"series":["sim:AMZN@1s"],"layers":65}`, "body.layers", "<= 64"},
		{"a network beyond memory", `{"series":["sim:AMZN@1s"],"units":1024,"layers":64}`, "", "at most 67108864 are supported"},
		{"one step", `{"series":["sim:AMZN@1s"],"steps":1}`, "", "steps 1; choose 2 to 1000"},
		{"rate", `{"series":["sim:AMZN@1s"],"rate":1e-12}`, "", "rate 1e-12; choose 1e-08 to 1"},
		{"validation", `{"series":["sim:AMZN@1s"],"validation":0.9}`, "body.validation", "<= 0.5"},
		{"until", `{"series":["sim:AMZN@1s"],"until":"yesterday"}`, "body", "neither RFC 3339"},
		{"reserved name", `{"series":["sim:AMZN@1s"],"name":"ewma"}`, "", `the name "ewma": it belongs to Foretick itself`},
		{"name", `{"series":["sim:AMZN@1s"],"name":"My Net"}`, "", "lower-case letters"},
		{"long name", `{"series":["sim:AMZN@1s"],"name":"` + strings.Repeat("n", 41) + `"}`, "body.name", "<= 40"},
		{"unknown field", `{"series":["sim:AMZN@1s"],"unit":4}`, "body.unit", "unexpected property"},
		{"no JSON", `series=sim:AMZN@1s`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.post("/v1/trainings", c.body)
			status := http.StatusUnprocessableEntity
			if c.name == "no JSON" {
				status = http.StatusBadRequest
			}
			p := wantProblem(t, a, status, "")
			said := p.Detail
			found := c.field == ""
			for _, e := range p.Errors {
				said += "; " + cmp.Or(e.Location, "body") + ": " + e.Message
				found = found || e.Location == c.field
			}
			if !found || !strings.Contains(said, c.want) || strings.Contains(said, "neural:") || strings.Contains(said, "bad order") {
				t.Errorf("%s, want %s %q", said, c.field, c.want)
			}
			t.Log(said)
		})
	}
	if n := len(get200[struct{ Items []any }](w, "/v1/trainings").Items); n > 0 {
		t.Errorf("%d trainings were taken all the same", n)
	}
	for range 16 {
		decoded[training.Training](t, w.post("/v1/trainings", `{"series":["sim:AMZN@1s"]}`), http.StatusAccepted)
	}
	wantProblem(t, w.post("/v1/trainings", `{"series":["sim:AMZN@1s"]}`), http.StatusTooManyRequests, "too many are waiting")
	wantProblem(t, w.post("/v1/trainings", `{"series":["sim:AMZN@1s"]}`, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "another site")
}

// Without a key nothing is seen, with one that reads nothing is changed.
func TestVersionsNeedAKey(t *testing.T) {
	w, r, _ := withVersions(t, func(c *Config) { c.Keys = keys(t) })
	m := priceModel(t, 1, 4)
	_, _, err := r.Put(t.Context(), "original", m, "")
	must(t, err)
	b, err := registry.Write(&registry.Version{Name: "original", ID: m.ID(), Created: 1, Artifact: m})
	must(t, err)
	read, write := []string{"Authorization", "Bearer " + readSecret}, []string{"Authorization", "Bearer " + writeSecret}
	one := "/v1/versions/original/" + m.ID()
	for _, path := range []string{"/v1/versions", one, one + "/file", "/v1/trainings"} {
		wantProblem(t, w.do(http.MethodGet, path, ""), http.StatusUnauthorized, "API key")
		if a := w.do(http.MethodGet, path, "", read...); a.StatusCode != http.StatusOK {
			t.Errorf("%s with a key that reads: %d %s", path, a.StatusCode, a.body)
		}
	}
	order := `{"series":["sim:AMZN@1s"]}`
	for _, c := range []struct {
		method, path, body string
		status             int
	}{{http.MethodPost, "/v1/versions", string(b), 201}, {http.MethodDelete, one, "", 204}, {http.MethodPost, "/v1/trainings", order, 202}, {http.MethodDelete, "/v1/trainings/t1", "", 404}} {
		kind := []string{"Content-Type", "application/json"}
		wantProblem(t, w.do(c.method, c.path, c.body, kind...), http.StatusUnauthorized, "API key")
		wantProblem(t, w.do(c.method, c.path, c.body, append(kind, read...)...), http.StatusForbidden, "only read")
		if c.path == "/v1/versions" {
			kind[1] = "application/octet-stream"
		}
		if a := w.do(c.method, c.path, c.body, append(kind, write...)...); a.StatusCode != c.status {
			t.Errorf("%s %s with a key that writes: %d %s", c.method, c.path, a.StatusCode, a.body)
		}
	}
}

// A store that fails is logged; the answer says nothing of it.
func TestVersionsOfABrokenStore(t *testing.T) {
	w, _, _ := withVersions(t)
	w.srv.cfg.Versions = brokenShelf{}
	for _, a := range []answer{w.do(http.MethodGet, "/v1/versions/a/b/file", ""), w.post("/v1/versions", "x"), w.do(http.MethodDelete, "/v1/versions/a/b", "")} {
		if p := wantProblem(t, a, http.StatusInternalServerError, "log"); strings.Contains(string(a.body), "secret") {
			t.Errorf("%+v", p)
		}
	}
	if !strings.Contains(w.logs.String(), "sector 7") {
		t.Error("the log does not say what happened")
	}
}

type brokenShelf struct{ shelf }

func (brokenShelf) File(context.Context, string, string) ([]byte, error) { return nil, errDisk }
func (brokenShelf) Delete(context.Context, string, string) error         { return errDisk }
func (brokenShelf) Import(context.Context, []byte) (*registry.Version, error) {
	return nil, errDisk
}
