package config

import (
	"net"

	"go.yaml.in/yaml/v3"
)

// webConfig is the part of a Prometheus web configuration that decides
// whether a listener may face the network.
type webConfig struct {
	TLS struct {
		CertFile   string `yaml:"cert_file"`
		Cert       string `yaml:"cert"`
		ClientAuth string `yaml:"client_auth_type"`
	} `yaml:"tls_server_config"`
	Users map[string]string `yaml:"basic_auth_users"`
}

// encrypts tells of TLS.
func (w *webConfig) encrypts() bool { return w.TLS.CertFile != "" || w.TLS.Cert != "" }

// asks tells of passwords or client certificates.
func (w *webConfig) asks() bool {
	return len(w.Users) > 0 || w.TLS.ClientAuth == "RequireAndVerifyClientCert"
}

// open tells of a listener that other machines reach.
func (w *Web) open() bool {
	host, _, err := net.SplitHostPort(w.Listen)
	return err == nil && !loopback(host)
}

// checkWebConfig refuses a web configuration that leaves a listener beyond
// loopback without TLS or without authentication: that the file exists says
// nothing about what is in it.
func (l *loader) checkWebConfig(data []byte) {
	w := &l.cfg.Web
	if data == nil || !w.open() || w.AllowPlaintext {
		return
	}
	const hint = "it needs tls_server_config and basic_auth_users (or client_auth_type: RequireAndVerifyClientCert); or set web.allow_plaintext: true when something in front does both"
	var c webConfig
	switch err := yaml.Unmarshal(data, &c); {
	case err != nil:
		l.problemHint("web.config_file", hint, "the web configuration cannot be read: %v", err)
	case !c.encrypts():
		l.problemHint("web.config_file", hint, "the web configuration has no TLS, and listen is not a loopback address")
	case !c.asks():
		l.problemHint("web.config_file", hint, "the web configuration asks for no password, and listen is not a loopback address")
	}
}
