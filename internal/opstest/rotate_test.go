package opstest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/graphsim"
)

// mount is a directory as kubelet keeps it for a secret: the files are links
// through ..data, which is a link that is exchanged whole.
type mount struct {
	t   *testing.T
	dir string
	n   int
}

func (m *mount) put(files map[string]string) {
	m.t.Helper()
	m.n++
	version := fmt.Sprintf("..version%d", m.n)
	must(m.t, os.MkdirAll(filepath.Join(m.dir, version), 0o700))
	for name, text := range files {
		must(m.t, os.WriteFile(filepath.Join(m.dir, version, name), []byte(text), 0o600))
		link := filepath.Join(m.dir, name)
		if _, err := os.Lstat(link); err != nil {
			must(m.t, os.Symlink(filepath.Join("..data", name), link))
		}
	}
	tmp := filepath.Join(m.dir, "..data_tmp")
	must(m.t, os.Symlink(version, tmp))
	must(m.t, os.Rename(tmp, filepath.Join(m.dir, "..data")))
	if m.n > 1 {
		must(m.t, os.RemoveAll(filepath.Join(m.dir, fmt.Sprintf("..version%d", m.n-1))))
	}
}

// app gives the tenant's application other credentials, as an administrator
// does who has revoked the old ones: tokens of before are void as well.
func (r *rig) app(a graphsim.App) {
	a.ClientID, a.Roles = clientID, []string{graphsim.PolicyReadAll}
	r.tenants[0].AddApp(a)
	r.cloud.RevokeTokens(r.tenants[0])
}

func (r *rig) seen(d *daemon, receiver string, n int, state string) {
	r.t.Helper()
	before := r.sink.count(receiver, "drift.changed")
	r.switchTo(0, n, state)
	eventually(r.t, 30*time.Second, "a change told to "+receiver, func() bool { return r.sink.count(receiver, "drift.changed") > before })
}

// A client secret and a webhook URL in a Kubernetes mount are exchanged under
// the running daemon.
func TestRotateMountedSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	m := &mount{t: t, dir: filepath.Join(r.dir, "mounted")}
	m.put(map[string]string{"client": secret, "hook": r.sink.url("old")})
	r.tenant(0)["credentials"] = map[string]any{"client_id": clientID, "client_secret_file": "mounted/client"}
	r.config["receivers"] = []any{map[string]any{"name": "a", "type": "webhook", "url_file": "mounted/hook"}}
	r.write()
	d := r.start(nil)
	eventually(t, 20*time.Second, "a first pass", d.ready)
	r.seen(d, "old", 0, "disabled")
	m.put(map[string]string{"client": "another", "hook": r.sink.url("new")})
	r.app(graphsim.App{Secret: "another"})
	r.seen(d, "new", 1, "disabled")
	if n := strings.Count(d.output(), `"msg":"running"`); n != 1 {
		t.Errorf("%d starts, want one", n)
	}
}

func certificate(t *testing.T, serial int64, notAfter time.Time) (string, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "cadrift"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(raw)
	must(t, err)
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs})), cert
}

// A certificate is exchanged under the running daemon, and the gauge shows
// the new one's end.
func TestRotateCertificate(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	first := time.Now().Add(20 * 24 * time.Hour).Truncate(time.Second)
	text, cert := certificate(t, 1, first)
	r.file("tenant.pem", text)
	r.app(graphsim.App{Certificate: cert})
	r.tenant(0)["credentials"] = map[string]any{"client_id": clientID, "certificate_file": "tenant.pem"}
	r.write()
	d := r.start(nil)
	eventually(t, 20*time.Second, "a first pass", d.ready)
	gauge := `cadrift_credential_expiry_timestamp_seconds{tenant="tenant1"}`
	if got := d.metric(gauge); got != float64(first.Unix()) {
		t.Errorf("expiry %v, want %d", got, first.Unix())
	}
	second := first.Add(300 * 24 * time.Hour)
	text, cert = certificate(t, 2, second)
	r.file("tenant.pem", text)
	r.app(graphsim.App{Certificate: cert})
	r.seen(d, "a", 0, "disabled")
	if got := d.metric(gauge); got != float64(second.Unix()) {
		t.Errorf("expiry after the exchange %v, want %d", got, second.Unix())
	}
}

type configStatus struct {
	Config struct {
		OK             bool
		Error          string
		PendingRestart []string `json:"pending_restart"`
	}
}

func (d *daemon) configStatus() configStatus {
	var s configStatus
	_, text := d.get("/api/v1/status")
	must(d.r.t, json.Unmarshal([]byte(text), &s))
	return s
}

// SIGHUP: a bad file changes nothing and is told, a good one is taken over,
// and what waits for a restart is named.
func TestReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	d := r.start(nil)
	eventually(t, 20*time.Second, "a first pass", d.ready)
	hangup := func() { t.Helper(); must(t, d.cmd.Process.Signal(syscall.SIGHUP)) }

	good, err := os.ReadFile(r.configFile())
	must(t, err)
	r.file("cadrift.yaml", string(good)+"\nnonsense: true\n")
	hangup()
	eventually(t, 10*time.Second, "a refused reload in the metrics", func() bool { return d.metric("cadrift_config_last_reload_successful") == 0 })
	if s := d.configStatus(); s.Config.OK || s.Config.Error == "" {
		t.Errorf("status after a bad file: %+v", s)
	}
	r.seen(d, "a", 0, "disabled") // the old configuration goes on

	before := d.metric("cadrift_config_last_reload_success_timestamp_seconds")
	r.config["receivers"] = []any{map[string]any{"name": "c", "type": "webhook", "url": r.sink.url("c")}}
	r.config["web"] = map[string]any{"listen": "127.0.0.1:1"}
	r.write()
	hangup()
	eventually(t, 10*time.Second, "a good reload", func() bool { return d.metric("cadrift_config_last_reload_successful") == 1 })
	if s := d.configStatus(); !s.Config.OK || len(s.Config.PendingRestart) != 1 || s.Config.PendingRestart[0] != "web.listen" {
		t.Errorf("status after the reload: %+v, want web.listen to wait", s)
	}
	if after := d.metric("cadrift_config_last_reload_success_timestamp_seconds"); after <= before {
		t.Errorf("time of the last good load: %v, then %v", before, after)
	}
	r.seen(d, "c", 1, "disabled")
	if v := d.metric(`cadrift_notification_queue_length{receiver="a"}`); v != -1 {
		t.Errorf("a receiver that is gone has a series: %v", v)
	}
	if d.metric(`cadrift_notification_queue_length{receiver="c"}`) == -1 {
		t.Error("the new receiver has no series")
	}
}

// SIGTERM ends the daemon well within the supervisor's patience, whatever it
// is doing, and loses nothing.
func TestDrain(t *testing.T) {
	t.Parallel()
	t.Run("during a pass", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 1)
		d := r.start(nil)
		eventually(t, 20*time.Second, "a first pass", d.ready)
		slow := graphsim.Fault{Delay: time.Minute}
		asked := make(chan struct{}, 100)
		r.cloud.OnRequest(func(req *http.Request) *graphsim.Fault { asked <- struct{}{}; return &slow })
		<-asked
		stopsWithin(t, d, 5*time.Second)
	})
	t.Run("during a send", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, 1)
		d := r.start(nil)
		eventually(t, 20*time.Second, "a first pass", d.ready)
		eventually(t, 20*time.Second, "the baseline told", func() bool {
			return r.sink.count("a", "baseline.pinned") == 1 && r.sink.count("b", "baseline.pinned") == 1
		})
		r.sink.slow(2 * time.Second)
		r.switchTo(0, 0, "disabled")
		eventually(t, 20*time.Second, "the change recorded", func() bool { return strings.Contains(d.output(), "drift.changed") })
		time.Sleep(200 * time.Millisecond) // the message is under way
		stopsWithin(t, d, 22*time.Second)
		if n := r.sink.count("a", "drift.changed"); n != 1 {
			t.Errorf("%d messages arrived, want the one that was under way", n)
		}
		r.sink.slow(0)
		d = r.start(nil)
		eventually(t, 20*time.Second, "a pass after the restart", d.ready)
		time.Sleep(500 * time.Millisecond)
		if n := r.sink.count("a", "drift.changed"); n != 1 {
			t.Errorf("%d messages after the restart: the answer was not waited for", n)
		}
	})
}

func stopsWithin(t *testing.T, d *daemon, limit time.Duration) {
	t.Helper()
	took, err := d.stop(syscall.SIGTERM, 25*time.Second)
	if err != nil || took > limit {
		t.Errorf("ended after %s with %v, want 0 within %s", took, err, limit)
	}
}
