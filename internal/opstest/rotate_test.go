package opstest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
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

// put makes the files the mount's. Those in folders are reached by a link to
// the folder.
func (m *mount) put(files map[string]string) {
	m.t.Helper()
	m.n++
	version := fmt.Sprintf("..version%d", m.n)
	for name, text := range files {
		path := filepath.Join(m.dir, version, name)
		must(m.t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(m.t, os.WriteFile(path, []byte(text), 0o600))
		top, _, _ := strings.Cut(name, "/")
		link := filepath.Join(m.dir, top)
		if _, err := os.Lstat(link); err != nil {
			must(m.t, os.Symlink(filepath.Join("..data", top), link))
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

// places are the ways in which files of a folder are exchanged.
func (r *rig) places(folder string) map[string]func(files map[string]string) {
	m := &mount{t: r.t, dir: filepath.Join(r.dir, folder)}
	return map[string]func(files map[string]string){
		"a mount": m.put,
		"ordinary files": func(files map[string]string) {
			for name, text := range files {
				r.file(filepath.Join(folder, name), text)
			}
		},
		// As git-sync does: a link to a checkout is exchanged.
		"a link": func(files map[string]string) {
			checkout, err := os.MkdirTemp(r.dir, "checkout")
			must(r.t, err)
			for name, text := range files {
				path := filepath.Join(checkout, name)
				must(r.t, os.MkdirAll(filepath.Dir(path), 0o700))
				must(r.t, os.WriteFile(path, []byte(text), 0o600))
			}
			link := filepath.Join(r.dir, folder)
			must(r.t, os.Symlink(checkout, link+".new"))
			must(r.t, os.Rename(link+".new", link))
		},
	}
}

// A client secret and a webhook URL are exchanged under the running daemon.
func TestRotateSecrets(t *testing.T) {
	for _, place := range []string{"a mount", "ordinary files", "a link"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			put := r.places("secrets")[place]
			put(map[string]string{"client": secret, "hook": r.sink.url("old")})
			r.tenant(0)["credentials"] = map[string]any{"client_id": clientID, "client_secret_file": "secrets/client"}
			r.config["receivers"] = []any{map[string]any{"name": "a", "type": "webhook", "url_file": "secrets/hook"}}
			r.write()
			d := r.start(nil)
			eventually(t, 20*time.Second, "a first pass", d.ready)
			r.seen(d, "old", 0, "disabled")
			put(map[string]string{"client": "another", "hook": r.sink.url("new")})
			r.app(graphsim.App{Secret: "another"})
			r.seen(d, "new", 1, "disabled")
			if n := strings.Count(d.output(), `"msg":"running"`); n != 1 {
				t.Errorf("%d starts, want one", n)
			}
		})
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
	for _, place := range []string{"a mount", "ordinary files", "a link"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			put := r.places("secrets")[place]
			first := time.Now().Add(20 * 24 * time.Hour).Truncate(time.Second)
			text, cert := certificate(t, 1, first)
			put(map[string]string{"tenant.pem": text})
			r.app(graphsim.App{Certificate: cert})
			r.tenant(0)["credentials"] = map[string]any{"client_id": clientID, "certificate_file": "secrets/tenant.pem"}
			r.write()
			d := r.start(nil)
			eventually(t, 20*time.Second, "a first pass", d.ready)
			gauge := `cadrift_credential_expiry_timestamp_seconds{tenant="tenant1"}`
			if got := d.metric(gauge); got != float64(first.Unix()) {
				t.Errorf("expiry %v, want %d", got, first.Unix())
			}
			second := first.Add(300 * 24 * time.Hour)
			text, cert = certificate(t, 2, second)
			put(map[string]string{"tenant.pem": text})
			r.app(graphsim.App{Certificate: cert})
			r.seen(d, "a", 0, "disabled")
			if got := d.metric(gauge); got != float64(second.Unix()) {
				t.Errorf("expiry after the exchange %v, want %d", got, second.Unix())
			}
		})
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

// The certificate of the page is exchanged under the running daemon, in an
// ordinary file and in a mount; a broken one keeps nobody from the health check
// once it is whole again.
func TestRotateWebCertificate(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	m := &mount{t: t, dir: filepath.Join(r.dir, "tls")}
	put := func(serial int64) {
		text, _ := certificate(t, serial, time.Now().Add(time.Hour))
		m.put(map[string]string{"tls.pem": text})
	}
	put(1)
	r.file("web.yaml", "tls_server_config: {cert_file: tls/tls.pem, key_file: tls/tls.pem}\n")
	r.config["web"] = map[string]any{"listen": "127.0.0.1:0", "config_file": "web.yaml"}
	r.write()
	d := r.start(nil)
	served := func() int64 {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(d.web, "http://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return 0
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := served(); got != 1 {
		t.Fatalf("certificate %d, want 1", got)
	}
	put(2)
	eventually(t, 5*time.Second, "the mounted certificate served", func() bool { return served() == 2 })
	m.put(map[string]string{"tls.pem": "no certificate"})
	eventually(t, 5*time.Second, "the broken certificate refused", func() bool { return served() == 0 })
	put(3)
	eventually(t, 5*time.Second, "the next certificate served", func() bool { return served() == 3 })
	// From the mount to ordinary files.
	text, _ := certificate(t, 4, time.Now().Add(time.Hour))
	r.file("plain.pem", text)
	r.file("web.yaml", "tls_server_config: {cert_file: plain.pem, key_file: plain.pem}\n")
	eventually(t, 5*time.Second, "the ordinary certificate served", func() bool { return served() == 4 })
	if n := strings.Count(d.output(), `"msg":"running"`); n != 1 || d.ended() {
		t.Errorf("%d starts, want one", n)
	}
}

// The baseline's files are exchanged under the running daemon, in every way in
// which such directories come: file by file, as a mount, as a link to the whole.
// Bad files in between change nothing.
func TestRotateBaseline(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	d := r.start(nil)
	eventually(t, 20*time.Second, "a first pass", d.ready)
	r.cli("export", filepath.Join(r.dir, "exported"))
	d.stop(syscall.SIGTERM, 25*time.Second)
	good, bad := map[string]string{}, map[string]string{}
	paths, err := filepath.Glob(filepath.Join(r.dir, "exported", "policy", "*.json"))
	must(t, err)
	for i, path := range paths {
		text, err := os.ReadFile(path)
		must(t, err)
		name := "policy/" + filepath.Base(path)
		good[name], bad[name] = string(text), string(text)
		if i == 0 {
			bad[name] = string(text[:len(text)/2])
		}
	}
	if len(good) != 4 {
		t.Fatalf("%d policies exported, want 4", len(good))
	}
	other := maps.Clone(good)
	for name, text := range good {
		other[name] = strings.Replace(text, `"enabled"`, `"disabled"`, 1)
	}
	for _, place := range []string{"ordinary files", "a mount", "a link"} {
		t.Run(place, func(t *testing.T) {
			dir := "base-" + strings.ReplaceAll(place, " ", "-")
			put := r.places(dir)[place]
			put(good)
			r.tenant(0)["baseline"] = map[string]any{"dir": dir}
			r.write()
			d := r.start(nil)
			eventually(t, 20*time.Second, "a first pass", d.ready)
			open := func() int { _, text := d.get("/api/v1/drifts"); return strings.Count(text, `"object":`) }
			told := func() bool { _, text := d.get("/api/v1/status"); return strings.Contains(text, `"baseline_problem"`) }
			eventually(t, 10*time.Second, "no drift", func() bool { return open() == 0 })
			put(other)
			eventually(t, 10*time.Second, "drift from the other files", func() bool { return open() == 4 })
			put(bad)
			eventually(t, 10*time.Second, "the bad file told", told)
			if n := open(); n != 4 {
				t.Errorf("%d drifts with a bad file, want the 4 of the last good ones", n)
			}
			put(good)
			eventually(t, 10*time.Second, "no drift again", func() bool { return open() == 0 })
			if told() {
				t.Error("the problem is over, and the status still has it")
			}
			d.stop(syscall.SIGTERM, 25*time.Second)
		})
	}
}
