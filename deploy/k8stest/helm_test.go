package k8stest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
)

// made matches the values of the secret that the chart fills at random.
var made = regexp.MustCompile(`(?m)^(  (?:admin-key|api-keys|metrics-token): ).*$`)

func TestGolden(t *testing.T) {
	for _, name := range valueSets(t) {
		t.Run(name, func(t *testing.T) {
			r := render(t, valueSet(t, name))
			decodeAll(t, r)
			text := made.ReplaceAllString(r.String(), "${1}RANDOM")
			golden(t, filepath.Join("testdata/golden", name+".yaml"), text)
			golden(t, filepath.Join("testdata/golden", name+".notes.txt"), strings.TrimSpace(r.notes)+"\n")
		})
	}
}

// TestLint is `helm lint --strict`, with every value set.
func TestLint(t *testing.T) {
	for _, name := range valueSets(t) {
		l := lint.All(chartDir, valueSet(t, name), namespace, true)
		for _, m := range l.Messages {
			// An icon is wished for; there is none.
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %s", name, m)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, values, want string }{
		{"a misspelt value", "sevice: {port: 80}", "sevice"},
		{"an unknown store", "store: {kind: mysql}", "store.kind"},
		{"no secret of the database", "store: {kind: postgres}", "name the secret that holds the database's URL"},
		{"no keys", "auth: {generate: false}", "name the secret that holds the API keys"},
		{"no host", "ingress: {enabled: true}", "name at least one host"},
		{"no keys by settings", "settings: {insecure-public: true}", "settings.insecure-public is not for here"},
		{"a password in settings", "settings: {store: 'postgres://me:secret@host/db'}", "settings.store is not for here: see store.postgres.secret"},
		{"a mapping as setting", "settings: {instrument: {a: b}}", "settings.instrument"},
		{"a second writer", "store: {sqlite: {accessMode: ReadWriteMany}}", "accessMode"},
		{"not a digest", "image: {digest: latest}", "image.digest"},
		{"not a size", "store: {sqlite: {size: ten}}", "store.sqlite.size"},
		{"readers of a file", "readers: {enabled: true}", "readers need store.kind postgres"},
		{"more writers", "readers: {autoscaling: {enabled: true}}", "more of them would not make it faster"},
		{"less than few", "{store: {kind: postgres, postgres: {secret: {name: s}}}, readers: {enabled: true, replicas: 3, autoscaling: {enabled: true, max: 2}}}", "readers.autoscaling.max is 2"},
		{"hosts of no readers", "ingress: {readerHosts: [a.example.com]}", "there are no readers"},
		{"root", "pod: {user: 0}", "pod.user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The schema writes paths with slashes in some releases of its library and with dots in others.
			_, err := installer{}.render(t, values(t, c.values))
			if err == nil {
				t.Fatal("it was rendered")
			}
			if got := strings.ReplaceAll(err.Error(), "/", "."); !strings.Contains(got, strings.ReplaceAll(c.want, "/", ".")) {
				t.Errorf("the error does not say %q: %v", c.want, err)
			}
		})
	}
}

// TestSettings: a setting reaches the file as it was written, whatever YAML and Helm make of numbers.
func TestSettings(t *testing.T) {
	r := render(t, values(t, `settings: {seed: 18000000, horizons: 3, speed: 2.5, unofficial: true, grace: 1s, instrument: ["kraken:BTC/USD@1m", "a: b # c"], timezone: "yes"}`))
	got := find[*core.ConfigMap](t, decodeAll(t, r)).Data["settings.yaml"]
	want := `# Settings of foretick serve, by the names of its flags.

grace: "1s"
horizons: "3"
instrument:
  - "kraken:BTC/USD@1m"
  - "a: b # c"
seed: "18000000"
speed: "2.5"
timezone: "yes"
unofficial: "true"
`
	if got != want {
		t.Errorf("%s", difference(want, got))
	}
}

// TestNewSettingsNewPods: pods read settings when they start.
func TestNewSettingsNewPods(t *testing.T) {
	sum := func(v string) string {
		return find[*apps.StatefulSet](t, decodeAll(t, render(t, values(t, v)))).Spec.Template.Annotations["checksum/settings"]
	}
	a, b, c := sum("settings: {horizons: 3}"), sum("settings: {horizons: 4}"), sum("settings: {horizons: 3}")
	if a == b || a != c || len(a) != 64 {
		t.Errorf("checksums %q, %q, %q", a, b, c)
	}
}

// TestKeysAreMadeOnce: an upgrade finds the secret in the cluster and leaves it as it is.
func TestKeysAreMadeOnce(t *testing.T) {
	first := find[*core.Secret](t, decodeAll(t, render(t, nil)))
	other := find[*core.Secret](t, decodeAll(t, render(t, nil)))
	keys := string(first.Data["api-keys"])
	if keys == string(other.Data["api-keys"]) {
		t.Error("the keys are not random")
	}
	form := fmt.Sprintf("admin:write:%s,prometheus:read:%s", first.Data["admin-key"], first.Data["metrics-token"])
	if keys != form || len(first.Data["admin-key"]) != 32 || len(first.Data["metrics-token"]) != 32 {
		t.Errorf("keys %q, want %q", keys, form)
	}

	first.Namespace = namespace
	cluster := secrets{fake.NewSimpleDynamicClient(schemeOf(t), first)}
	r, err := installer{cluster: cluster}.render(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := find[*core.Secret](t, decodeAll(t, r)); string(got.Data["api-keys"]) != keys || string(got.Data["admin-key"]) != string(first.Data["admin-key"]) {
		t.Errorf("the upgrade made new keys: %q, before %q", got.Data["api-keys"], keys)
	}

	first.Data = map[string][]byte{"other": []byte("x")}
	cluster = secrets{fake.NewSimpleDynamicClient(schemeOf(t), first)}
	if r, err = (installer{cluster: cluster}).render(t, nil); err != nil {
		t.Fatal(err)
	}
	if got := find[*core.Secret](t, decodeAll(t, r)); len(got.Data["api-keys"]) == 0 {
		t.Error("a secret without keys stayed without keys")
	}
}

func schemeOf(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := core.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	meta.AddToGroupVersion(s, core.SchemeGroupVersion)
	return s
}

// secrets is a cluster that can be asked for secrets only.
type secrets struct{ client dynamic.Interface }

func (s secrets) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	if apiVersion != "v1" || kind != "Secret" {
		return nil, false, fmt.Errorf("the chart asks the cluster for %s %s: not everyone who installs it may", apiVersion, kind)
	}
	return s.client.Resource(core.SchemeGroupVersion.WithResource("secrets")), true, nil
}

// TestStopped: no pod of either kind.
func TestStopped(t *testing.T) {
	for _, store := range []string{"{kind: sqlite}", "{kind: postgres, postgres: {secret: {name: s}}}"} {
		for stopped, want := range map[bool]int32{true: 0, false: 1} {
			r := render(t, values(t, fmt.Sprintf("{store: %s, stopped: %t}", store, stopped)))
			var got int32
			switch o := serverOwner(t, decodeAll(t, r)).(type) {
			case *apps.StatefulSet:
				got = *o.Spec.Replicas
			case *apps.Deployment:
				got = *o.Spec.Replicas
			}
			if got != want || strings.Contains(r.notes, "STOPPED") != stopped {
				t.Errorf("%s, stopped %t: %d replicas, notes %.60q", store, stopped, got, r.notes)
			}
		}
	}
}

// TestAssignedUser: where the cluster assigns users, as OpenShift does, none is named.
func TestAssignedUser(t *testing.T) {
	p := podTemplate(serverOwner(t, decodeAll(t, render(t, values(t, "pod: {user: null, group: null}")))))
	if s := p.Spec.SecurityContext; s.RunAsUser != nil || s.RunAsGroup != nil || s.FSGroup != nil || !*s.RunAsNonRoot {
		t.Errorf("%+v", s)
	}
}

// TestAzure: the values with which Azure's pipeline installs the chart are values of the chart.
func TestAzure(t *testing.T) {
	for _, name := range overlays {
		decodeAll(t, render(t, valuesFile(t, filepath.Join("../azure/aks", name+".yaml"))))
	}
}
