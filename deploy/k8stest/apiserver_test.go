//go:build apiserver

package k8stest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// server is a real API server of Kubernetes on a real etcd, with nothing behind it: no node, no scheduler, no controller.
type server struct {
	url, token string
	client     *http.Client
	plurals    map[string]string // apiVersion/kind to path below the namespace
}

// TestAPIServer gives everything that is rendered to a real API server: a dry run, then for good, in namespaces that enforce
// the Pod Security level restricted. KUBE_APISERVER names its program.
func TestAPIServer(t *testing.T) {
	s := startServer(t)
	s.discover(t)
	s.must(t, s.apply(t, "", "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: production}\nvalue: 1000\n", false))

	for _, name := range valueSets(t) {
		t.Run("helm "+name, func(t *testing.T) {
			s.accepts(t, "helm-"+name, render(t, valueSet(t, name)))
		})
	}
	for _, name := range overlays {
		t.Run("kustomize "+name, func(t *testing.T) {
			s.accepts(t, "foretick-"+name, overlay(t, name))
		})
	}
	t.Run("upgrade", func(t *testing.T) { s.upgrade(t) })
	t.Run("restricted", func(t *testing.T) {
		s.namespace(t, "judged")
		pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: root}\nspec: {containers: [{name: a, image: a}]}\n"
		if a := s.apply(t, "judged", pod, true); a.code != http.StatusForbidden || !strings.Contains(a.body, "violates PodSecurity") {
			t.Errorf("a pod that may be root is answered %d %s", a.code, a.body)
		}
	})
	t.Run("strict", func(t *testing.T) {
		m := "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}], selektor: {a: b}}\n"
		if a := s.apply(t, "judged", m, true); a.code < 400 || !strings.Contains(a.body, "selektor") {
			t.Errorf("a misspelt field is answered %d %s", a.code, a.body)
		}
	})
}

// accepts applies a rendering, twice without effect and twice for good, and then the pods that its controllers would make.
func (s *server) accepts(t *testing.T, ns string, r rendering) {
	t.Helper()
	s.namespace(t, ns)
	objects, refused := 0, 0
	for _, dry := range []bool{true, true, false, false} {
		for _, m := range r.manifests {
			o := object(t, m.text)
			if o.GetKind() == "ServiceMonitor" { // of a resource that the operator defines
				refused++
				continue
			}
			objects++
			s.must(t, s.apply(t, ns, m.text, dry))
		}
	}
	pods := 0
	for _, o := range decodeAll(t, r) {
		p := podTemplate(o)
		if p == nil {
			continue
		}
		pods++
		pod := core.Pod{TypeMeta: meta.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: p.ObjectMeta, Spec: p.Spec}
		pod.Name = fmt.Sprintf("pod-%d", pods)
		if pod.Spec.ServiceAccountName == "" {
			pod.Spec.ServiceAccountName = "default"
		}
		if s, ok := o.(*apps.StatefulSet); ok { // whose controller adds the volumes of its claims
			for _, c := range s.Spec.VolumeClaimTemplates {
				pod.Spec.Volumes = append(pod.Spec.Volumes, core.Volume{Name: c.Name, VolumeSource: core.VolumeSource{
					PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: c.Name + "-foretick-0"}}})
			}
		}
		text, err := yaml.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		s.must(t, s.apply(t, ns, string(text), true))
	}
	t.Logf("%s: %d objects and %d pods accepted, %d of kinds that this server does not have", ns, objects/4, pods, refused/4)
}

// upgrade: the keys of the first install are found again in the server, and what an upgrade may and may not change is as
// the documentation says.
func (s *server) upgrade(t *testing.T) {
	const ns = "upgraded"
	s.namespace(t, ns)
	installed := func(v string) rendering {
		c := loadChart(t)
		all, err := chartutil.ToRenderValues(c, values(t, v), chartutil.ReleaseOptions{Name: "foretick", Namespace: ns, Revision: 1, IsInstall: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		files, err := engine.RenderWithClient(c, all, &rest.Config{Host: s.url, BearerToken: s.token, TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
		if err != nil {
			t.Fatal(err)
		}
		var r rendering
		for _, text := range files {
			if strings.HasPrefix(text, "apiVersion") || strings.HasPrefix(text, "#") {
				r.manifests = append(r.manifests, manifest{text: text})
			}
		}
		return r
	}
	keys := func(r rendering) string {
		return string(find[*core.Secret](t, decodeAll(t, r)).Data["api-keys"])
	}
	first := installed("{}")
	for _, m := range first.manifests {
		s.must(t, s.apply(t, ns, m.text, false))
	}
	second := installed("{image: {tag: 0.2.0}, settings: {horizons: 3}, resources: {limits: {memory: 1Gi}}}")
	if keys(first) != keys(second) {
		t.Error("the upgrade made new keys")
	}
	for _, m := range second.manifests {
		s.must(t, s.apply(t, ns, m.text, false))
	}
	for _, m := range installed("{store: {sqlite: {size: 20Gi}}}").manifests {
		if object(t, m.text).GetKind() != "StatefulSet" {
			continue
		}
		if a := s.apply(t, ns, m.text, true); a.code != http.StatusUnprocessableEntity {
			t.Errorf("another size of the volume is answered %d %s: the documentation says that it cannot be changed in place", a.code, a.body)
		}
	}
}

// answer is what the server says.
type answer struct {
	what     string
	code     int
	body     string
	warnings []string
}

func (s *server) must(t *testing.T, a answer) {
	t.Helper()
	if a.code != http.StatusOK && a.code != http.StatusCreated {
		t.Errorf("%s: %d %s", a.what, a.code, a.body)
	}
	for _, w := range a.warnings {
		t.Errorf("%s: %s", a.what, w)
	}
}

// apply is `kubectl apply --server-side --validate=strict`, with --dry-run=server when dry.
func (s *server) apply(t *testing.T, ns, text string, dry bool) answer {
	t.Helper()
	o := object(t, text)
	if o.GetNamespace() != "" {
		ns = o.GetNamespace()
	}
	url := s.path(t, o, ns) + "/" + o.GetName() + "?fieldManager=k8stest&fieldValidation=Strict"
	if dry {
		url += "&dryRun=All"
	}
	return s.do(t, http.MethodPatch, url, text)
}

func (s *server) namespace(t *testing.T, name string) {
	t.Helper()
	s.must(t, s.apply(t, "", fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}}\n", name), false))
	// A controller makes it elsewhere.
	s.must(t, s.apply(t, name, "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default}\n", false))
}

func (s *server) path(t *testing.T, o *unstructured.Unstructured, ns string) string {
	t.Helper()
	base := "/apis/"
	if o.GetAPIVersion() == "v1" {
		base = "/api/"
	}
	plural, ok := s.plurals[o.GetAPIVersion()+"/"+o.GetKind()]
	if !ok {
		t.Fatalf("the server does not know %s %s", o.GetAPIVersion(), o.GetKind())
	}
	if p, namespaced := strings.CutPrefix(plural, "*"); namespaced {
		plural = "namespaces/" + ns + "/" + p
	}
	return base + o.GetAPIVersion() + "/" + plural
}

func (s *server) do(t *testing.T, method, path, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/apply-patch+yaml")
	}
	r, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{method + " " + path, r.StatusCode, string(b), r.Header.Values("Warning")}
}

// discover asks the server which resources it has.
func (s *server) discover(t *testing.T) {
	t.Helper()
	s.plurals = map[string]string{}
	for _, gv := range []string{"v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "policy/v1", "autoscaling/v2", "scheduling.k8s.io/v1"} {
		base := "/apis/"
		if gv == "v1" {
			base = "/api/"
		}
		var list meta.APIResourceList
		if err := json.Unmarshal([]byte(s.do(t, http.MethodGet, base+gv, "").body), &list); err != nil {
			t.Fatal(err)
		}
		for _, r := range list.APIResources {
			if strings.Contains(r.Name, "/") {
				continue
			}
			s.plurals[gv+"/"+r.Kind] = r.Name
			if r.Namespaced {
				s.plurals[gv+"/"+r.Kind] = "*" + r.Name
			}
		}
	}
	t.Logf("API server %s", s.do(t, http.MethodGet, "/version", "").body)
}

func startServer(t *testing.T) *server {
	t.Helper()
	program := os.Getenv("KUBE_APISERVER")
	if program == "" {
		t.Fatal("KUBE_APISERVER does not name a kube-apiserver; make test-k8s does")
	}
	dir := t.TempDir()
	etcd, peer, port := free(t), free(t), free(t)
	run(t, dir, "etcd", "--data-dir", filepath.Join(dir, "etcd"), "--listen-client-urls", "http://"+etcd, "--advertise-client-urls", "http://"+etcd,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "default=http://"+peer, "--unsafe-no-fsync")

	s := &server{url: "https://" + port, token: rand.Text()}
	// The server makes its own certificate, for this test alone, on loopback.
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: time.Minute}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	accounts, tokens := filepath.Join(dir, "accounts.pem"), filepath.Join(dir, "tokens.csv")
	for file, text := range map[string][]byte{
		accounts: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}),
		tokens:   []byte(s.token + ",tester,1,system:masters\n"),
	} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host, number, _ := net.SplitHostPort(port)
	run(t, dir, program, "--etcd-servers", "http://"+etcd, "--bind-address", host, "--secure-port", number, "--cert-dir", filepath.Join(dir, "certs"),
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", accounts, "--service-account-signing-key-file", accounts,
		"--token-auth-file", tokens, "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.96.0.0/16", "--endpoint-reconciler-type", "none")

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.token)
		if r, err := s.client.Do(req); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return s
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("the API server does not become ready")
		}
	}
}

// free is an address on loopback that nothing listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var serverLogs = flag.Bool("server-logs", false, "show the end of the logs of etcd and the API server when a test has failed")

// run runs a program until the test ends.
func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		killer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		killer.Stop()
		if t.Failed() && *serverLogs {
			b := log.Bytes()
			t.Logf("%s:\n%s", filepath.Base(program), b[max(0, len(b)-4000):])
		}
	})
}
