package graph

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Credentials say who the daemon is, and where tokens come from. Exactly one
// of SecretFile, SecretEnv, CertificateFile, FederatedTokenFile and
// ManagedIdentity is set.
type Credentials struct {
	TenantID string
	ClientID string // not for a managed identity
	// Authority is the login host, https, without a path; GraphEndpoint what
	// the token is for.
	Authority     string
	GraphEndpoint string
	// CustomCloud allows an authority that is not one of Microsoft's.
	CustomCloud bool

	SecretFile         string
	SecretEnv          string // name of an environment variable
	CertificateFile    string // PEM: certificate and unencrypted RSA key
	FederatedTokenFile string
	ManagedIdentity    string // system, or a user-assigned client id

	Transport http.RoundTripper // nil: NewTransport(nil)
	Logger    *slog.Logger
}

// maxCredentialBytes is the most that a credential file may hold.
const maxCredentialBytes = 64 << 10

func (c *Credentials) check() error {
	given := 0
	for _, s := range []string{c.SecretFile, c.SecretEnv, c.CertificateFile, c.FederatedTokenFile, c.ManagedIdentity} {
		if s != "" {
			given++
		}
	}
	switch {
	case given != 1:
		return fmt.Errorf("%d credentials given, want exactly one", given)
	case c.TenantID == "" || strings.ContainsAny(c.TenantID, "/?#%@\\"):
		return errors.New("tenant id missing or not an id")
	case !isOrigin(c.GraphEndpoint):
		return errors.New("the Graph endpoint must be an https URL")
	case c.ManagedIdentity != "":
		return nil
	case c.ClientID == "":
		return errors.New("client id missing")
	case !isOrigin(c.Authority):
		return errors.New("the authority must be an https URL without a path")
	case !c.CustomCloud && !isMicrosoft(c.Authority):
		return errors.New("the authority is not one of Microsoft's: only cloud custom allows that")
	}
	return nil
}

// isOrigin tells of an https URL that is a host and no more.
func isOrigin(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil &&
		u.RawQuery == "" && u.Fragment == "" && strings.Trim(u.Path, "/") == ""
}

func isMicrosoft(authority string) bool {
	for _, cloud := range []string{"global", "usgov", "usgov-dod", "china"} {
		if _, known, _ := Cloud(cloud); strings.EqualFold(strings.TrimSuffix(authority, "/"), known) {
			return true
		}
	}
	return false
}

func (c *Credentials) resource() string { return strings.TrimSuffix(c.GraphEndpoint, "/") }

// file is the file that the credential comes from, if any.
func (c *Credentials) file() string {
	return c.SecretFile + c.CertificateFile + c.FederatedTokenFile // one at most
}

// material is a credential as read.
type material struct {
	secret drift.Secret // client secret or federated token
	chain  []*x509.Certificate
	leaf   *x509.Certificate // the one of chain that key belongs to
	key    *rsa.PrivateKey
}

func (m *material) notAfter() time.Time {
	if m.leaf == nil {
		return time.Time{}
	}
	return m.leaf.NotAfter
}

// usable checks what MSAL does not: it signs with an expired certificate
// without a word, and Entra's refusal is about something else.
func (m *material) usable(now time.Time) error {
	switch {
	case m.leaf == nil:
		return nil
	case now.After(m.leaf.NotAfter):
		return fmt.Errorf("the certificate expired on %s", m.leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(m.leaf.NotBefore):
		return fmt.Errorf("the certificate is not valid before %s", m.leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// load reads the credential. Its errors name files, never contents.
func (c *Credentials) load(file *watchedFile) (material, error) {
	switch {
	case c.ManagedIdentity != "":
		return material{}, nil
	case c.SecretEnv != "":
		secret := strings.TrimSpace(os.Getenv(c.SecretEnv))
		if secret == "" {
			return material{}, fmt.Errorf("read client secret: environment variable %s is empty", c.SecretEnv)
		}
		return material{secret: drift.NewSecret(secret)}, nil
	}
	data, err := file.read()
	if err != nil {
		return material{}, fmt.Errorf("read credential: %w", err)
	}
	if c.CertificateFile != "" {
		m, err := parseCertificate(data)
		if err != nil {
			return material{}, fmt.Errorf("read certificate %s: %w", c.CertificateFile, err)
		}
		return m, nil
	}
	secret := bytes.TrimSpace(data)
	if len(secret) == 0 {
		return material{}, fmt.Errorf("read credential %s: the file is empty", file.path)
	}
	return material{secret: drift.NewSecret(string(secret))}, nil
}

// parseCertificate reads a certificate, its chain if there is one, and the RSA
// key that belongs to it. Entra takes no other keys.
func parseCertificate(data []byte) (material, error) {
	var m material
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Headers["DEK-Info"] != "" || block.Type == "ENCRYPTED PRIVATE KEY" {
			return material{}, errors.New("the key is encrypted: it must be unencrypted")
		}
		switch block.Type {
		case "CERTIFICATE":
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return material{}, errors.New("a certificate that cannot be read")
			}
			m.chain = append(m.chain, certificate)
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			key, err := parseKey(block)
			if err != nil {
				return material{}, err
			}
			if m.key != nil {
				return material{}, errors.New("more than one private key")
			}
			m.key = key
		}
	}
	if m.key == nil || len(m.chain) == 0 {
		return material{}, errors.New("it must hold a certificate and its RSA key, in PEM")
	}
	for _, certificate := range m.chain {
		if m.key.PublicKey.Equal(certificate.PublicKey) {
			m.leaf = certificate
			return m, nil
		}
	}
	return material{}, errors.New("the key does not belong to the certificate")
}

func parseKey(block *pem.Block) (*rsa.PrivateKey, error) {
	if block.Type == "RSA PRIVATE KEY" {
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("a private key that cannot be read")
		}
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil && block.Type == "PRIVATE KEY" {
		return nil, errors.New("a private key that cannot be read")
	}
	if key, ok := parsed.(*rsa.PrivateKey); ok {
		return key, nil
	}
	return nil, errors.New("the key must be an RSA key")
}

// watchedFile notices when a file has other contents than when it was read.
type watchedFile struct {
	path     string
	modified time.Time
	size     int64
	sum      [sha256.Size]byte
}

// read reads the file and notes its state.
func (f *watchedFile) read() ([]byte, error) {
	opened, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(opened, maxCredentialBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxCredentialBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", f.path, maxCredentialBytes)
	}
	f.modified, f.size, f.sum = info.ModTime(), info.Size(), sha256.Sum256(data)
	return data, nil
}

// changed tells whether the file has other contents than at the last read. A
// file that cannot be read just now, in the middle of a rotation, has not
// changed yet.
func (f *watchedFile) changed() bool {
	if f.path == "" {
		return false
	}
	info, err := os.Stat(f.path)
	if err != nil || info.ModTime().Equal(f.modified) && info.Size() == f.size {
		return false
	}
	before := f.sum
	_, err = f.read()
	return err == nil && f.sum != before
}
