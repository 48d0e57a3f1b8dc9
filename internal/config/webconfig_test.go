package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A web configuration protects by what is in it, not by being there.
func TestWebConfigProtects(t *testing.T) {
	const (
		tls   = "tls_server_config: {cert_file: a.pem, key_file: a.key}\n"
		users = "basic_auth_users: {prom: $2y$10$x}\n"
		certs = "tls_server_config: {cert_file: a.pem, key_file: a.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}\n"
	)
	for _, tt := range []struct {
		name, listen, file, extra, want string
	}{
		{"both", "0.0.0.0:9488", tls + users, "", ""},
		{"client certificates", "0.0.0.0:9488", certs, "", ""},
		{"no password", "0.0.0.0:9488", tls, "", "asks for no password"},
		{"optional certificates", "0.0.0.0:9488", strings.Replace(certs, "RequireAndVerifyClientCert", "VerifyClientCertIfGiven", 1), "", "asks for no password"},
		{"no TLS", "[::]:9488", users, "", "has no TLS"},
		{"no host", ":9488", "http_server_config: {http2: true}\n", "", "has no TLS"},
		{"not YAML", "0.0.0.0:9488", "a: [", "", "cannot be read"},
		{"loopback", "127.0.0.1:9488", users, "", ""},
		{"allowed", "0.0.0.0:9488", users, ", allow_plaintext: true", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("web.yaml", tt.file)
			write("secret", "x")
			write("cadrift.yaml", fmt.Sprintf("state_dir: state\nweb: {listen: %q, config_file: web.yaml%s}\ntenants:\n  - name: contoso\n"+
				"    tenant_id: 11111111-1111-1111-1111-111111111111\n    credentials: {client_id: 22222222-2222-2222-2222-222222222222, client_secret_file: secret}\n", tt.listen, tt.extra))
			_, err := Load(filepath.Join(dir, "cadrift.yaml"))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
