package graphsim

import (
	"net/http"
	"strings"
	"testing"
)

func TestDirectoryIsReadByID(t *testing.T) {
	s := New(Options{})
	tenant := s.AddTenant("aaaaaaaa-0000-4000-8000-000000000009", "contoso")
	tenant.PutUser(DirectoryUser{ID: "U1", PrincipalName: "bg1@contoso.example", Disabled: true})
	tenant.PutGroup(DirectoryGroup{ID: "g1", DisplayName: "Emergency", Rule: "user.x -eq 1"})
	get := func(path string, roles ...string) (int, string) {
		app := App{ClientID: "c", Secret: "s", Name: "test", Roles: roles}
		tenant.AddApp(app)
		token, _ := s.issue(tenant, app, "https://graph.microsoft.com", "https://login.microsoftonline.com", nil)
		r, _ := http.NewRequest(http.MethodGet, "https://graph.microsoft.com/v1.0/"+path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := s.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text := make([]byte, 2000)
		n, _ := resp.Body.Read(text)
		return resp.StatusCode, string(text[:n])
	}
	for _, tt := range []struct {
		path   string
		roles  []string
		status int
		want   string
	}{
		{"users/u1?$select=id,accountEnabled", []string{UserRead}, 200, `{"accountEnabled":false,"id":"u1"}`},
		{"groups/g1?$select=id,membershipRule", []string{DirectoryRead}, 200, `"membershipRule":"user.x -eq 1"`},
		{"users/u1", []string{PolicyReadAll}, 403, "Authorization_RequestDenied"},
		{"users/u2", []string{UserRead}, 404, "Request_ResourceNotFound"},
	} {
		status, body := get(tt.path, tt.roles...)
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: got %d %s", tt.path, status, body)
		}
	}
}
