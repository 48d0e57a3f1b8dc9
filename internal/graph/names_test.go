package graph

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
)

const (
	alex  = "aaaaaaaa-0000-4000-8000-000000000001"
	staff = "bbbbbbbb-0000-4000-8000-000000000002"
	robot = "cccccccc-0000-4000-8000-000000000003"
)

func TestObjects(t *testing.T) {
	c, w := script(t, answer{body: collection("",
		`{"@odata.type":"#microsoft.graph.user","id":"AAAAAAAA-0000-4000-8000-000000000001","displayName":"Alex","userPrincipalName":"alex@contoso.example"}`,
		`{"@odata.type":"#microsoft.graph.group","id":"`+staff+`","displayName":null}`,
		`{"@odata.type":"#microsoft.graph.servicePrincipal","id":"`+robot+`","displayName":"Robot","appId":"DDDD","appOwnerOrganizationId":"EEEE"}`)})
	got, err := c.Objects(t.Context(), []string{alex, staff, robot, "ffffffff-0000-4000-8000-000000000009"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Principal{
		alex:  {ID: alex, Type: "user", Name: "alex@contoso.example"},
		staff: {ID: staff, Type: "group"},
		robot: {ID: robot, Type: "servicePrincipal", Name: "Robot", AppID: "dddd", Owner: "eeee"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := w.asked[0].header.Get("Content-Type"); got != "application/json" {
		t.Errorf("sent as %q", got)
	}
}

// An id that an unread page holds would be called deleted.
func TestObjectsInPages(t *testing.T) {
	c, _ := script(t, answer{body: collection(endpoint + "/v1.0/directoryObjects/getByIds?$skiptoken=1")})
	if got, err := c.Objects(t.Context(), []string{alex}); err == nil || got != nil {
		t.Errorf("got %v, %v, want an error", got, err)
	}
}

func TestDirectoryInParts(t *testing.T) {
	c, w := script(t, answer{body: collection("")})
	ids := make([]string, maxObjectIDs+1)
	apps := make([]string, maxAppIDs+1)
	for i := range ids {
		ids[i] = alex
	}
	for i := range apps {
		apps[i] = "o'neil" // nothing may end the string of the filter
	}
	if _, err := c.Objects(t.Context(), ids); err != nil || w.count() != 2 {
		t.Errorf("got %v after %d requests, want 2", err, w.count())
	}
	if _, err := c.Apps(t.Context(), apps); err != nil || w.count() != 4 {
		t.Errorf("got %v after %d requests, want 4", err, w.count())
	}
	u, err := url.Parse(w.asked[3].url)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := u.Query().Get("$filter"), "appId in ('o''neil')"; got != want {
		t.Errorf("got filter %q, want %q", got, want)
	}
	if strings.ContainsAny(u.RawQuery, "+ ") {
		t.Errorf("the query is not encoded as Graph wants it: %s", u.RawQuery)
	}
}

func TestMembers(t *testing.T) {
	path := "/v1.0/groups/" + staff + "/transitiveMembers"
	c, _ := script(t,
		answer{body: collection(endpoint+path+"?$skiptoken=2", `{"@odata.type":"#microsoft.graph.user","id":"b"}`, `{"@odata.type":"#microsoft.graph.group","id":"g"}`)},
		answer{body: collection("", `{"@odata.type":"#microsoft.graph.user","id":"A"}`, `{"@odata.type":"#microsoft.graph.user","id":"b"}`, `{"@odata.type":"#microsoft.graph.device","id":"d"}`)})
	got, err := c.Members(t.Context(), staff)
	if err != nil {
		// b comes twice with the same bytes: somebody joined while we read
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Error(diff)
	}
	c, _ = script(t, answer{status: 404, body: `{"error":{"code":"Request_ResourceNotFound"}}`})
	if _, err := c.Members(t.Context(), staff); !errors.Is(err, drift.ErrNotFound) {
		t.Errorf("got %v, want not found", err)
	}
}

// What is good to know is asked for once, and its failure neither slows the
// listings down nor is taken for theirs.
func TestBesideTheListings(t *testing.T) {
	for status, reason := range map[int]drift.Reason{403: drift.ReasonPermission, 429: drift.ReasonThrottled, 503: drift.ReasonThrottled} { // it said when to come back
		w := &wire{route: func(r *http.Request) answer {
			if strings.Contains(r.URL.Path, "conditionalAccess") || strings.Contains(r.URL.Path, "identitySecurityDefaults") {
				return answer{body: collection("", object("a"))}
			}
			return answer{status: status, header: with("Retry-After", "600")}
		}}
		c := newClient(t, w)
		_, err := c.Objects(t.Context(), []string{alex})
		if e := fault(t, err); e.Reason != reason || w.count() != 1 {
			t.Errorf("%d: got %v after %d requests", status, e.Reason, w.count())
		}
		_, err = c.Audits(t.Context(), AccessLog, time.Now())
		fault(t, err)
		if _, err := c.List(t.Context(), drift.Policy); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if _, err := c.Members(t.Context(), staff); status != 403 && w.count() != 3 {
			t.Errorf("%d: a directory that asked for a pause was asked again (%v)", status, err)
		}
	}
}

func record(id, correlation, more string) string {
	return `{"id":"` + id + `","correlationId":"` + correlation + `","loggedByService":"Conditional Access","result":"success",` +
		`"activityDisplayName":"Update conditional access policy","activityDateTime":"2026-11-21T20:00:0` + id + `Z",` + more + `}`
}

func target(old, new string) string {
	return `"targetResources":[{"id":"P","type":"Policy","modifiedProperties":[{"displayName":"ConditionalAccessPolicy","oldValue":` + old + `,"newValue":` + new + `}]}]`
}

func TestAudits(t *testing.T) {
	user := `"initiatedBy":{"app":null,"user":{"id":"U","userPrincipalName":"alex@contoso.example","ipAddress":"192.0.2.1"}},`
	app := `"initiatedBy":{"user":null,"app":{"appId":null,"displayName":"Robot","servicePrincipalId":"S"}},`
	c, w := script(t, answer{body: collection("",
		record("4", "c4", app+target(`"\"{\\\"id\\\":\\\"P\\\"}\""`, `"{\"id\":\"P\",\"displ"`)), // encoded twice; cut
		record("2", "c1", user+target(`null`, `"{\"id\":\"P\",\"state\":\"new\"}"`)),             // the second half of a split record
		record("1", "c1", user+target(`"{\"id\":\"P\",\"state\":\"old\"}"`, `null`)),
		strings.Replace(record("3", "c2", user+target(`null`, `null`)), "Conditional Access", "Core Directory", 1),
		strings.Replace(record("5", "c5", user+target(`null`, `null`)), "success", "failure", 1),
		record("6", "c6", `"initiatedBy":null,"targetResources":null`),
		`{"id":"7","activityDateTime":12}`,
	)})
	got, err := c.Audits(t.Context(), AccessLog, time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	at := func(s int) time.Time { return time.Date(2026, 11, 21, 20, 0, s, 0, time.UTC) }
	const activity = "update conditional access policy"
	want := []AuditRecord{
		{
			ID: "2", Time: at(2), Activity: activity, Target: "p",
			Initiator: drift.Actor{Kind: "user", ID: "u", Name: "alex@contoso.example", IP: "192.0.2.1", Time: at(2)},
			Old:       []byte(`{"id":"P","state":"old"}`), New: []byte(`{"id":"P","state":"new"}`),
		},
		{
			ID: "4", Time: at(4), Activity: activity, Target: "p",
			Initiator: drift.Actor{Kind: "app", ID: "s", Name: "Robot", Time: at(4)}, Old: []byte(`{"id":"P"}`),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	u, _ := url.Parse(w.asked[0].url)
	if got, want := u.Query().Get("$filter"), "loggedByService eq 'Conditional Access' and activityDateTime ge 2026-11-21T19:00:00Z"; got != want {
		t.Errorf("got filter %q, want %q", got, want)
	}
}
