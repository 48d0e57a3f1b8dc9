// Package tools judges what deploy/ holds for other people's programs by
// their own types. It is a module of its own, so that their dependencies are
// not the product's: go test . in this directory, or make deploy-check.
package tools

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// build renders the manifests as kubectl apply -k would send them.
func build(t *testing.T) map[string][]byte {
	t.Helper()
	res, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, r := range res.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		out[r.GetKind()] = text
	}
	return out
}

// strict decodes and refuses what the type does not know.
func strict(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Errorf("%T: %v", into, err)
	}
}

func TestKubernetes(t *testing.T) {
	built := build(t)
	set := &apps.StatefulSet{}
	for kind, into := range map[string]any{
		"Namespace": &core.Namespace{}, "ServiceAccount": &core.ServiceAccount{}, "Service": &core.Service{},
		"ConfigMap": &core.ConfigMap{}, "StatefulSet": set, "NetworkPolicy": &networking.NetworkPolicy{},
		"ServiceMonitor": &monitoring.ServiceMonitor{}, "PrometheusRule": &monitoring.PrometheusRule{},
	} {
		if built[kind] == nil {
			t.Errorf("no %s", kind)
			continue
		}
		strict(t, built[kind], into)
		delete(built, kind)
	}
	for kind := range built {
		t.Errorf("%s was not looked at", kind)
	}
	checkPod(t, set)
	if err := yaml.UnmarshalStrict([]byte("spec: {replica: 1}"), &apps.StatefulSet{}); err == nil {
		t.Error("a misspelt key passed: the check checks nothing")
	}
}

func checkPod(t *testing.T, set *apps.StatefulSet) {
	t.Helper()
	if set.Spec.Replicas == nil || *set.Spec.Replicas != 1 || len(set.Spec.Template.Spec.Containers) != 1 {
		t.Fatal("not one replica of one container")
	}
	pod, c := set.Spec.Template.Spec, set.Spec.Template.Spec.Containers[0]
	s := c.SecurityContext
	if *pod.SecurityContext.RunAsUser < 10000 || !*pod.SecurityContext.RunAsNonRoot || !*s.ReadOnlyRootFilesystem ||
		*s.AllowPrivilegeEscalation || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || *pod.AutomountServiceAccountToken {
		t.Errorf("the pod has more rights than it needs: %+v %+v", pod.SecurityContext, s)
	}
	if *pod.TerminationGracePeriodSeconds < 30 || c.LivenessProbe == nil || c.ReadinessProbe == nil || c.StartupProbe == nil {
		t.Error("grace period or probes are missing")
	}
	ports, volumes := map[string]bool{}, map[string]bool{"state": true}
	for _, p := range c.Ports {
		ports[p.Name] = true
	}
	for _, p := range []*core.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if !ports[p.HTTPGet.Port.StrVal] {
			t.Errorf("a probe asks port %q, which is none", p.HTTPGet.Port.StrVal)
		}
	}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] || m.SubPath != "" {
			t.Errorf("mount %+v: no such volume, or a subPath, which is never refreshed", m)
		}
	}
}

// The operator's copy of the rules is the rules.
func TestPrometheusRule(t *testing.T) {
	var wrapped monitoring.PrometheusRule
	strict(t, build(t)["PrometheusRule"], &wrapped)
	text, err := os.ReadFile("../prometheus/rules/cadrift.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var plain monitoring.PrometheusRuleSpec
	strict(t, text, &plain)
	got, err := yaml.Marshal(wrapped.Spec)
	if err != nil {
		t.Fatal(err)
	}
	want, err := yaml.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("kubernetes/prometheusrule.yaml is not prometheus/rules/cadrift.yaml: make generate")
	}
}

func TestCompose(t *testing.T) {
	file, err := filepath.Abs("../compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir: filepath.Dir(file), ConfigFiles: []types.ConfigFile{{Filename: file}}, Environment: types.Mapping{},
	})
	if err != nil {
		t.Fatal(err)
	}
	cadrift := project.Services["cadrift"]
	if !cadrift.ReadOnly || len(cadrift.CapDrop) != 1 || !strings.HasPrefix(cadrift.User, "10001") {
		t.Errorf("cadrift has more rights than it needs: %+v", cadrift)
	}
	for name, service := range project.Services {
		for _, p := range service.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s is published on %q", name, p.HostIP)
			}
		}
		for _, v := range service.Volumes {
			if v.Type == types.VolumeTypeBind && filepath.Base(v.Source) != "secrets" {
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("%s mounts a file that is not there: %v", name, err)
				}
			}
		}
	}
}
