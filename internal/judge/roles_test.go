package judge_test

import (
	"encoding/json"
	"testing"
)

// TestPrivilegedRoles holds the list of the law's roles, by their template ids:
// each is critical to let go, whether it leaves the included or joins the
// excluded ones.
func TestPrivilegedRoles(t *testing.T) {
	fx := loadFixture(t)
	for name, id := range map[string]string{
		"Global Administrator":                    "62e90394-69f5-4237-9190-012177145e10",
		"Privileged Role Administrator":           "e8611ab8-c189-46e8-94e1-60213ab1f814",
		"Privileged Authentication Administrator": "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
		"Security Administrator":                  "194ae4cb-b126-40b2-bd5b-6091b380977d",
		"Conditional Access Administrator":        "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9",
		"Application Administrator":               "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
		"Cloud Application Administrator":         "158c047a-c907-4556-b7ef-446551a6b5f7",
		"Hybrid Identity Administrator":           "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",
		"Exchange Administrator":                  "29232cdf-9323-42fd-ade2-1d097af3e4de",
		"SharePoint Administrator":                "f28a1f50-f6e7-4571-818b-6a12f2af6b6c",
		"User Administrator":                      "fe930be7-5e62-47db-91af-98c3a49a38b1",
		"Authentication Administrator":            "c4e39bd9-1100-46d3-8c65-fb160da0071f",
	} {
		left := fx.object(t, "", "admins", json.RawMessage(`{"conditions":{"users":{"includeRoles":["`+id+`","`+fx.Aliases["reader"]+`"]}}}`))
		after := fx.object(t, "", "admins", json.RawMessage(`{"conditions":{"users":{"includeRoles":["`+fx.Aliases["reader"]+`"]}}}`))
		w := fx.standing(fx.Emergency)
		if v := verdict(w, left, after); v.Direction.String()+" "+v.Severity.String() != "weaker critical" || v.Changes[0].Text != "Included roles: - "+name+" (privileged role)" {
			t.Errorf("%s left: %s", name, show(v))
		}
		all := fx.object(t, "", "mfa", nil)
		free := fx.object(t, "", "mfa", json.RawMessage(`{"conditions":{"users":{"excludeRoles":["`+id+`"]}}}`))
		if v := verdict(w, all, free); v.Direction.String()+" "+v.Severity.String() != "weaker critical" {
			t.Errorf("%s excluded: %s", name, show(v))
		}
	}
}
