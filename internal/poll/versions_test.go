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
