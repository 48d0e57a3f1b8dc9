package poll_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/graphsim/contoso"
)

// TestVersionsAgree reads a grown tenant through both versions of Graph: every
// object has one canonical form, since nothing in it is known to beta alone.
func TestVersionsAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud, tenant, err := contoso.New(time.Now())
		must(t, err)
		t.Setenv("CONTOSO_SECRET", contoso.ClientSecret)
		forms := map[drift.Key]string{}
		for _, version := range []string{"v1.0", "beta"} {
			tokens, err := graph.NewTokens(graph.Credentials{
				TenantID: contoso.TenantID, ClientID: contoso.ClientID, SecretEnv: "CONTOSO_SECRET", Transport: cloud,
				Authority: "https://login.microsoftonline.com", GraphEndpoint: "https://graph.microsoft.com",
			})
			must(t, err)
			client, err := graph.New(graph.Options{
				Endpoint: "https://graph.microsoft.com", Version: version, Tenant: "contoso", Transport: cloud, Tokens: tokens, RequestsPerSecond: 1,
			})
			must(t, err)
			for _, kind := range drift.Kinds() {
				if kind == drift.Group {
					continue
				}
				l, err := client.List(t.Context(), kind)
				must(t, err)
				for _, item := range l.Items {
					o, err := canon.Object(kind, item.Raw)
					must(t, err)
					if strings.Contains(string(o.Canonical), "@microsoft.graph") {
						t.Errorf("%s: advice in %s", o.Key(), o.Canonical)
					}
					form := fmt.Sprintf("%s %s", o.Digest, o.Canonical)
					if v1, ok := forms[o.Key()]; ok && v1 != form {
						t.Errorf("%s:\nv1.0 %s\nbeta %s", o.Name, v1, form)
					}
					forms[o.Key()] = form
				}
			}
		}
		if policies := len(tenant.IDs(drift.Policy)); len(forms) < policies+20 {
			t.Errorf("compared %d objects of %d policies and more", len(forms), policies)
		}
	})
}

// After an upgrade of the canonicaliser the stored forms are made again of the
// stored bodies: no event, no drift, and the next change is told against the
// new form.
func TestFormsOfAnEarlierCanonicaliser(t *testing.T) {
	inRig(t, pinned, func(r *rig) {
		id := r.policy("CA001", everyone+","+mfa)
		r.pass()
		state, err := r.store.Load(tenantID)
		must(t, err)
		old := state.Objects[drift.Key{Kind: drift.Policy, ID: id}]
		old.Canonical, old.Digest = []byte(`{"state":"ENABLED"}`), drift.Digest{1}
		state.Baseline.Objects[old.Key()] = old
		_, err = r.store.Commit(drift.Commit{TenantID: tenantID, Time: time.Now(), Put: []drift.Object{old}, Baseline: state.Baseline})
		must(t, err)
		n := len(r.events())
		r.close()
		r.open()
		r.pass()
		expect(t, r.since(n))
		if open := r.watcher.Status().Findings; len(open) != 0 {
			t.Errorf("open drift: %+v", open)
		}
		must(t, r.admin.PatchPolicy(id, `{"state":"disabled"}`))
		r.pass()
		expect(t, r.since(n), "updated CA001 weaker critical drift opened")
	})
}
