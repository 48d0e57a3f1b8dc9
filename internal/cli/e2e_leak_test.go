package cli_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cadrift/cadrift/internal/graphsim"
)

// TestNoSecretIsSeen plants secrets in everything that holds one, lets both
// Graph and the receivers echo them in their errors, logs at debug, and looks
// for them in all that cadrift writes.
func TestNoSecretIsSeen(t *testing.T) {
	t.Parallel()
	s := newTestStage(t, "contoso")
	hook, err := newReceiver()
	must(t, err)
	defer hook.server.Close()
	hook.echo = true
	hook.answer(http.StatusBadRequest)
	base := strings.TrimSuffix(hook.url, "/hook")
	must(t, s.write("slack-url", base+"/services/marker-slack-path\n"))
	must(t, s.write("hook-secret", hookSecret+"\n"))
	must(t, s.configure("attribution: who+ip\n", strings.Join([]string{
		"receivers:",
		"  - {name: slack, type: slack, url_file: slack-url}",
		"  - {name: teams, type: teams, url: \"" + base + "/workflows/marker-teams-path?sig=marker-teams-sig\"}",
		"  - {name: siem, type: webhook, url: \"" + base + "/marker-siem-path\", secret_file: hook-secret}",
		"  - {name: nobody, type: webhook, url: \"http://127.0.0.1:1/marker-nobody-path?k=marker-nobody-query\"}",
		"  - {name: notls, type: webhook, url: \"https" + strings.TrimPrefix(base, "http") + "/marker-notls-path\"}",
		"  - {name: nohost, type: webhook, url: \"https://marker-host-path.invalid/marker-nohost-path\"}", "",
	}, "\n")))
	tokens := tokensOf(s)
	d := s.run(t, "--log-level", "debug")
	var seen bytes.Buffer
	collect := func() {
		for _, path := range []string{
			"/", "/metrics", "/healthz", "/readyz", "/api/v1/status", "/api/v1/drifts", "/api/v1/events", "/api/v1/parked",
			"/api/v1/objects/contoso/policy/" + ca001, "/api/v1/nothing",
		} {
			_, body, err := d.get(path)
			must(t, err)
			seen.Write(body)
		}
		for _, args := range [][]string{
			{"status"},
			{"status", "--output", "json"},
			{"drifts"},
			{"history", "--output", "json"},
			{"show", ca001},
			{"notify", "parked"},
			{"notify", "parked", "--output", "json"},
			{"config", "check"},
			{"config", "check", "--output", "json"},
			{"config", "check", "--online"},
			{"--log-level", "debug", "check"},
			{"verify"},
			{"baseline", "pin", "--reason", "r"},
			{"baseline", "export", "-"},
			{"backup", "copy.db"},
		} {
			_, stdout, stderr := s.cadrift(t, args...)
			seen.WriteString(stdout + stderr)
		}
	}
	must(t, s.admin().PatchPolicy(ca001, `{"state":"disabled"}`))
	if _, err := hook.await(patience, func(d delivery) bool { return strings.Contains(string(d.body), "CA001") }); err != nil {
		t.Fatal(err)
	}
	must(t, d.passes(2))
	collect()

	// Graph echoes the token in every way there is, then the token endpoint the
	// secret.
	fired := echoes(s, tokens)
	for n := range len(echoing) {
		must(t, eventually(func() error {
			if fired.Load() <= int64(n) {
				return fmt.Errorf("%d of %d faults fired", fired.Load(), len(echoing))
			}
			return nil
		}))
	}
	must(t, eventually(func() error { return logHas(d, "AccessDenied") }))
	collect()
	s.cloud.OnRequest(nil)
	s.tenants["contoso"].AddApp(graphsim.App{ClientID: clientID, Secret: "another", Roles: []string{graphsim.PolicyReadAll}})
	s.cloud.RevokeTokens(s.tenants["contoso"])
	must(t, eventually(func() error { return logHas(d, "AADSTS7000215") }))
	collect()
	// The runtime writes every goroutine's stack, as it does in a panic.
	if err := d.end(syscall.SIGQUIT); err == nil {
		t.Error("the daemon took SIGQUIT for a good end")
	}
	must(t, logHas(d, "\ngoroutine 1 "))

	for _, name := range []string{"log", "copy.db", "state/cadrift.db"} {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		must(t, err)
		seen.Write(text)
	}
	if n := len(tokens.list()); n == 0 {
		t.Error("no token was noted: the test looks for nothing")
	}
	markers := append(tokens.list(), clientSecret, "marker-slack-path", "marker-teams-path", "marker-teams-sig", "marker-siem-path",
		"marker-nobody-path", "marker-nobody-query", "marker-notls-path", "marker-nohost-path", "marker-webhook-secret", strings.TrimPrefix(hookSecret, "whsec_"))
	for _, marker := range markers {
		if at := bytes.Index(seen.Bytes(), []byte(marker)); at >= 0 {
			text := seen.Bytes()
			t.Errorf("%s is seen: …%s…", marker, text[max(0, at-200):min(len(text), at+200)])
		}
	}
	if !strings.Contains(seen.String(), "CA001 MFA for everyone") || !strings.Contains(seen.String(), `"level":"DEBUG"`) {
		t.Error("what was collected is not what cadrift writes")
	}
}

// echoing are Graph's faults that show the caller's token to the caller.
var echoing = []func(token string) *graphsim.Fault{
	func(token string) *graphsim.Fault {
		return graphsim.GraphError(http.StatusForbidden, "AccessDenied", "no access with "+token)
	},
	func(token string) *graphsim.Fault {
		return graphsim.GraphError(http.StatusUnauthorized, "InvalidAuthenticationToken", token)
	},
	func(token string) *graphsim.Fault {
		return graphsim.GraphError(http.StatusNotFound, token, token)
	},
	func(token string) *graphsim.Fault {
		return &graphsim.Fault{Status: http.StatusTooManyRequests, Body: token, Header: http.Header{"Retry-After": {token}, "Request-Id": {token}}}
	},
	func(token string) *graphsim.Fault {
		return &graphsim.Fault{Status: http.StatusBadGateway, Body: "<html>" + token}
	},
	func(token string) *graphsim.Fault {
		return &graphsim.Fault{Status: http.StatusFound, Header: http.Header{"Location": {"https://elsewhere.example/?t=" + token}}}
	},
	func(token string) *graphsim.Fault { return &graphsim.Fault{Status: http.StatusOK, Body: token} },
	func(token string) *graphsim.Fault {
		return &graphsim.Fault{Status: http.StatusOK, Body: `{"value":["` + token + `"]}`}
	},
	func(token string) *graphsim.Fault {
		return &graphsim.Fault{Edit: func(body map[string]any) { body["@odata.nextLink"] = "https://elsewhere.example/?t=" + token }}
	},
	func(string) *graphsim.Fault { return &graphsim.Fault{Cut: 100} },
	func(string) *graphsim.Fault { return &graphsim.Fault{Refuse: true} },
}

// echoes makes Graph answer one reading of policies after the other with each
// of its faults, and counts them.
func echoes(s *stage, tokens *bearers) *atomic.Int64 {
	fired := new(atomic.Int64)
	s.cloud.OnRequest(func(r *http.Request) *graphsim.Fault {
		tokens.note(r)
		if r.URL.Path != policiesPath {
			return nil
		}
		n := int(fired.Add(1)-1) % len(echoing)
		return echoing[n](strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	})
	return fired
}

func logHas(d *daemon, text string) error {
	log, err := os.ReadFile(d.logs)
	if err == nil && !bytes.Contains(log, []byte(text)) {
		err = os.ErrNotExist
	}
	return err
}

// bearers are the tokens that clients showed.
type bearers struct {
	mu   sync.Mutex
	seen map[string]bool
}

// tokensOf notes every token that reaches the cloud of a stage.
func tokensOf(s *stage) *bearers {
	b := &bearers{seen: map[string]bool{}}
	s.cloud.OnRequest(func(r *http.Request) *graphsim.Fault { b.note(r); return nil })
	return b
}

func (b *bearers) note(r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		b.seen[token] = true
	}
}

func (b *bearers) list() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for token := range b.seen {
		all = append(all, token)
	}
	return all
}
