package cli_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

const policiesPath = "/v1.0/identity/conditionalAccess/policies"

// onPolicies is a hook for the listing of policies.
func onPolicies(fault *graphsim.Fault) func(*http.Request) *graphsim.Fault {
	return func(r *http.Request) *graphsim.Fault {
		if r.Method == http.MethodGet && r.URL.Path == policiesPath {
			return fault
		}
		return nil
	}
}

// TestBlindnessIsTold runs the daemon into every way in which an answer can be
// wrong without being an error, over real sockets, once a second.
func TestBlindnessIsTold(t *testing.T) {
	tests := []struct {
		name     string
		fault    func(s *stage)
		mend     func(s *stage)
		reason   drift.Reason
		severity drift.Severity
		within   time.Duration
		says     string
	}{
		{
			name:   "half a listing",
			fault:  func(s *stage) { s.cloud.OnRequest(onPolicies(&graphsim.Fault{Cut: 200})) },
			reason: drift.ReasonIncomplete, severity: drift.High, within: 90 * time.Second,
		},
		{
			name: "half a page",
			fault: func(s *stage) {
				s.cloud.OnRequest(onPolicies(&graphsim.Fault{Status: 200, Body: `{"value":[{"id":"aaa`, Header: http.Header{"Content-Type": {"application/json"}}}))
			},
			reason: drift.ReasonIncomplete, severity: drift.High, within: 90 * time.Second,
		},
		{
			name:   "HTML with 200",
			fault:  func(s *stage) { s.cloud.OnRequest(onPolicies(graphsim.HTML(200))) },
			reason: drift.ReasonIncomplete, severity: drift.High, within: 90 * time.Second, says: "HTML page",
		},
		{
			name: "nextLink to another host",
			fault: func(s *stage) {
				s.cloud.OnRequest(onPolicies(graphsim.Edits(graphsim.NextLink("https://evil.example" + policiesPath + "?$skiptoken=x"))))
			},
			reason: drift.ReasonIncomplete, severity: drift.High, within: 90 * time.Second, says: "leads elsewhere",
		},
		{
			name:   "one id twice with different content",
			fault:  func(s *stage) { s.cloud.OnRequest(onPolicies(graphsim.Edits(graphsim.Repeat("an impostor")))) },
			reason: drift.ReasonIncomplete, severity: drift.High, within: 90 * time.Second, says: "twice",
		},
		{
			name:   "an empty list after a full one",
			fault:  func(s *stage) { s.cloud.OnRequest(onPolicies(graphsim.Edits(graphsim.EmptyList))) },
			reason: drift.ReasonQuarantine, severity: drift.Critical, within: 8 * time.Second, says: "3 of 3 policies missing",
		},
		{
			name:   "403",
			fault:  func(s *stage) { s.cloud.OnRequest(onPolicies(graphsim.GraphError(403, "AccessDenied", "no"))) },
			reason: drift.ReasonPermission, severity: drift.Critical, within: 90 * time.Second, says: "Policy.Read",
		},
		{
			name: "the secret no longer works",
			fault: func(s *stage) {
				s.tenants["contoso"].AddApp(graphsim.App{ClientID: clientID, Secret: "another", Roles: []string{graphsim.PolicyReadAll}})
				s.cloud.RevokeTokens(s.tenants["contoso"])
			},
			mend: func(s *stage) {
				s.tenants["contoso"].AddApp(graphsim.App{ClientID: clientID, Secret: clientSecret, Roles: []string{graphsim.PolicyReadAll}})
			},
			reason: drift.ReasonCredential, severity: drift.Critical, within: 90 * time.Second,
		},
		{
			name:   "503 for ever",
			fault:  func(s *stage) { s.cloud.OnRequest(onPolicies(graphsim.GraphError(503, "ServiceUnavailable", "no"))) },
			reason: drift.ReasonUnreachable, severity: drift.High, within: 90 * time.Second,
		},
		{
			name:   "429 for ever",
			fault:  func(s *stage) { s.cloud.OnRequest(onPolicies(graphsim.GraphError(429, "TooManyRequests", "no"))) },
			reason: drift.ReasonThrottled, severity: drift.High, within: 90 * time.Second,
		},
		{
			name: "a value that Graph hides",
			fault: func(s *stage) {
				s.cloud.OnRequest(onPolicies(graphsim.Edits(graphsim.Set("conditions.clientAppTypes", "unknownFutureValue"))))
			},
			reason: drift.ReasonUnknownEnum, severity: drift.High, within: 8 * time.Second, says: "unknownFutureValue",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, hook, d := runHooked(t)
			must(t, d.passes(1))
			began := time.Now()
			tt.fault(s)
			told, err := hook.await(tt.within, func(d delivery) bool { return d.event.Type == drift.MonitorBlind })
			must(t, err)
			e := told.event
			if e.Reason != string(tt.reason) || e.Severity != tt.severity || e.Tenant != "contoso" || e.TenantID != contosoID {
				t.Errorf("got reason %s severity %s tenant %s: %s", e.Reason, e.Severity, e.Tenant, e.Summary)
			}
			if !strings.Contains(e.Summary, tt.says) {
				t.Errorf("summary %q does not say %q", e.Summary, tt.says)
			}
			t.Logf("told after %s: %s", told.at.Sub(began).Round(100*time.Millisecond), e.Summary)
			if n := s.cloud.CountHost("evil.example"); n > 0 {
				t.Errorf("%d requests to another host", n)
			}
			if code, body, err := d.get("/readyz"); err != nil || code != http.StatusOK {
				t.Errorf("/readyz while blind: %d %s %v", code, body, err)
			}
			_, metrics, err := d.get("/metrics")
			must(t, err)
			if want := `cadrift_blind{reason="` + string(tt.reason) + `",tenant="contoso"} 1`; !strings.Contains(string(metrics), want+"\n") {
				t.Errorf("no %s", want)
			}
			s.cloud.OnRequest(nil)
			if tt.mend != nil {
				tt.mend(s)
			}
			back, err := hook.await(30*time.Second, func(d delivery) bool { return d.event.Type == drift.MonitorRecovered })
			must(t, err)
			if back.event.Reason != string(tt.reason) || back.event.Severity != drift.Low {
				t.Errorf("recovered: reason %s severity %s", back.event.Reason, back.event.Severity)
			}
			// The listing was wrong, the tenant never changed.
			if tt.reason != drift.ReasonUnknownEnum {
				for _, d := range hook.deliveries() {
					if d.event.Type == drift.DriftChanged {
						t.Errorf("told a change that nobody made: %s", d.body)
					}
				}
			}
			if err := d.end(syscall.SIGTERM); err != nil {
				t.Errorf("SIGTERM: %v", err)
			}
		})
	}
}
