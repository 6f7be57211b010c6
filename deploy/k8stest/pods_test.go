package k8stest

import (
	"maps"
	"slices"
	"testing"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	disruption "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// renderings are the chart with every value set, and every kustomize overlay.
func renderings(t *testing.T) map[string][]runtime.Object {
	t.Helper()
	out := map[string][]runtime.Object{}
	for _, name := range valueSets(t) {
		out["helm "+name] = decodeAll(t, render(t, valueSet(t, name)))
	}
	for _, name := range overlays {
		out["kustomize "+name] = decodeAll(t, overlay(t, name))
	}
	return out
}

// TestRestricted asks the code of Kubernetes' own Pod Security admission whether pods keep to the level restricted.
func TestRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	judge := func(p *core.PodTemplateSpec) policy.AggregateCheckResult {
		return policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &p.ObjectMeta, &p.Spec))
	}
	for name, objects := range renderings(t) {
		pods := 0
		for _, o := range objects {
			p := podTemplate(o)
			if p == nil {
				continue
			}
			pods++
			if r := judge(p); !r.Allowed {
				t.Errorf("%s: %s", name, r.ForbiddenDetail())
			}
			p.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
			if judge(p).Allowed {
				t.Fatal("the judge lets everything pass")
			}
		}
		if pods == 0 {
			t.Errorf("%s: no pods", name)
		}
	}
}

// TestHoldsTogether: what objects say of one another is true.
func TestHoldsTogether(t *testing.T) {
	// Made by hand, as the documentation says.
	outside := map[string][]string{"foretick-keys": {"api-keys", "metrics-token"}, "foretick-store": {"url"}, "foretick-readers": {"url"}, "venues": {"finnhub"}}
	for name, objects := range renderings(t) {
		secrets, configs, accounts := maps.Clone(outside), map[string]bool{}, map[string]bool{"": true}
		var servers []*core.PodTemplateSpec
		for _, o := range objects {
			switch o := o.(type) {
			case *core.Secret:
				secrets[o.Name] = slices.Collect(maps.Keys(o.Data))
			case *core.ConfigMap:
				configs[o.Name] = true
			case *core.ServiceAccount:
				accounts[o.Name] = true
			case *apps.Deployment, *apps.StatefulSet:
				servers = append(servers, podTemplate(o))
			}
		}
		for _, o := range objects {
			p := podTemplate(o)
			if p == nil {
				continue
			}
			if !accounts[p.Spec.ServiceAccountName] || *p.Spec.AutomountServiceAccountToken {
				t.Errorf("%s: the account %q of pods is not made, or its token is mounted", name, p.Spec.ServiceAccountName)
			}
			for _, c := range p.Spec.Containers {
				for _, e := range c.Env {
					if e.ValueFrom == nil {
						continue
					}
					if ref := e.ValueFrom.SecretKeyRef; ref == nil || !slices.Contains(secrets[ref.Name], ref.Key) {
						t.Errorf("%s: %s is from %v, which nobody makes", name, e.Name, e.ValueFrom)
					}
				}
				mounted := map[string]bool{}
				for _, v := range p.Spec.Volumes {
					mounted[v.Name] = true
					if v.ConfigMap != nil && !configs[v.ConfigMap.Name] {
						t.Errorf("%s: the config map %s is not made", name, v.ConfigMap.Name)
					}
				}
				if s, ok := o.(*apps.StatefulSet); ok {
					for _, v := range s.Spec.VolumeClaimTemplates {
						mounted[v.Name] = true
					}
				}
				for _, m := range c.VolumeMounts {
					if !mounted[m.Name] {
						t.Errorf("%s: there is no volume %s", name, m.Name)
					}
				}
			}
		}
		hits := func(s labels.Selector) (n int) {
			for _, p := range servers {
				if s.Matches(labels.Set(p.Labels)) {
					n++
				}
			}
			return n
		}
		for _, o := range objects {
			switch s := o.(type) {
			case *disruption.PodDisruptionBudget:
				if n := hits(labels.SelectorFromSet(s.Spec.Selector.MatchLabels)); n != 1 {
					t.Errorf("%s: the budget %s is for %d kinds of pods", name, s.Name, n)
				}
			case *autoscaling.HorizontalPodAutoscaler:
				found := false
				for _, o := range objects {
					if d, ok := o.(*apps.Deployment); ok && d.Name == s.Spec.ScaleTargetRef.Name {
						found = true
						// A fixed number of pods would be set again at each upgrade; a share of processor time needs a request.
						if d.Spec.Replicas != nil || d.Spec.Template.Spec.Containers[0].Resources.Requests.Cpu().IsZero() {
							t.Errorf("%s: %s cannot be scaled", name, d.Name)
						}
					}
				}
				if !found {
					t.Errorf("%s: what %s scales is not made", name, s.Name)
				}
			case *core.Service:
				if n := hits(labels.SelectorFromSet(s.Spec.Selector)); n != 1 {
					t.Errorf("%s: the service %s leads to %d kinds of pods", name, s.Name, n)
				}
				if port := s.Spec.Ports[0].TargetPort.String(); port != servers[0].Spec.Containers[0].Ports[0].Name {
					t.Errorf("%s: the service leads to port %s", name, port)
				}
			}
		}
	}
}
