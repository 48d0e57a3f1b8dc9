package config

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/cadrift/cadrift/internal/drift"
)

func (l *loader) checkTenants() {
	if len(l.cfg.Tenants) == 0 && !l.bad["tenants"] {
		l.problemHint("tenants", "a tenant needs a name, its tenant_id and credentials", "there is no tenant to watch")
	}
	taken, ids, dirs := map[string]Position{}, map[string]string{}, map[string]string{}
	for i := range l.cfg.Tenants {
		path, t := element("tenants", i), &l.cfg.Tenants[i]
		if l.bad[path] {
			continue
		}
		l.name(path, t.Name, taken)
		l.checkTenant(path, t)
		l.unique(join(path, "tenant_id"), "tenant_id", t.TenantID, ids)
		l.unique(join(path, "baseline.dir"), "the baseline's dir", t.Baseline.Dir, dirs)
	}
}

func (l *loader) checkTenant(path string, t *Tenant) {
	if t.TenantID == "" {
		l.missing(join(path, "tenant_id"))
	}
	l.checkCloud(path, t)
	l.checkSchedule(join(path, "schedule"), t.Schedule)
	l.checkWatch(path, t)
	if t.CAFile != "" {
		l.certificates(join(path, "ca_file"), t.CAFile)
	}
	if at := join(path, "credentials"); !l.bad[at] {
		l.checkCredentials(at, &t.Credentials)
	}
	l.checkBaseline(join(path, "baseline"), t.Baseline)
	l.checkEmergency(join(path, "emergency_access"), t)
}

var versionSegment = regexp.MustCompile(`(?i)/(v1\.0|beta)/*$`)

func (l *loader) checkCloud(path string, t *Tenant) {
	if l.bad[join(path, "cloud")] || l.bad[join(path, "endpoints")] {
		return
	}
	if t.Cloud == Custom {
		l.checkEndpoints(join(path, "endpoints"), &t.Endpoints)
		return
	}
	if t.Endpoints != (Endpoints{}) {
		l.problemHint(join(path, "endpoints"), "leave endpoints out, or set cloud: custom",
			"endpoints are for cloud: custom only, and this tenant's cloud is %s", t.Cloud)
	}
	if t.RequestsPerSecond > 1 {
		l.problemHint(join(path, "requests_per_second"), "Microsoft allows one request a second for Conditional Access, shared by everything that reads it",
			"requests_per_second above 1 is for cloud: custom only")
	}
}

func (l *loader) checkEndpoints(path string, e *Endpoints) {
	base := func(key string, value *string) (at string, ok bool) {
		at = join(path, key)
		if *value == "" && !l.bad[at] {
			l.problem(at, "cloud: custom needs endpoints.%s", key)
		}
		if *value != "" {
			*value = l.baseURL(at, *value, "https")
		}
		return at, !l.bad[at]
	}
	if at, ok := base("graph", &e.Graph); ok && versionSegment.MatchString(e.Graph) {
		l.problemHint(at, "leave the version off; graph_version says which", "the graph endpoint ends in a version")
	}
	if at, ok := base("authority", &e.Authority); ok && strings.Count(e.Authority, "/") > 2 {
		l.problemHint(at, "the token path is AUTHORITY/TENANT_ID/oauth2/v2.0/token; AUTHORITY is https://HOST alone", "the authority has a path")
	}
}

// maxSchedule is far longer than any schedule.
const maxSchedule = 200

// checkSchedule leaves the grammar to package schedule, the only user of cron.
func (l *loader) checkSchedule(path, schedule string) {
	const hint = `for example "@every 1m" or "*/5 * * * *"`
	switch {
	case l.bad[path]:
	case strings.TrimSpace(schedule) == "":
		l.problemHint(path, hint, "schedule is empty")
	case len(schedule) > maxSchedule || strings.ContainsFunc(schedule, unicode.IsControl):
		l.problemHint(path, hint, "schedule is not one short line")
	}
}

func (l *loader) checkWatch(path string, t *Tenant) {
	watches := func(kind drift.Kind) bool { return slices.Contains(t.Watch, kind) }
	watch := join(path, "watch")
	if l.bad[watch] {
		return
	}
	if watches(drift.Group) && !watches(drift.Policy) {
		l.problem(watch, "excluded_groups are the groups that policies exclude: watch policies too")
	}
	if e := t.EmergencyAccess; e != nil && e.Mode != ModeOff && !watches(drift.Policy) {
		l.problem(watch, "emergency_access looks at policies: watch them")
	}
}

func (l *loader) checkBaseline(path string, b Baseline) {
	if b.Dir == "" {
		return
	}
	// A missing directory is no error: baseline export, which makes it, loads
	// this very file.
	if !l.directory(join(path, "dir"), b.Dir) {
		l.warn(join(path, "dir"), "%s does not exist yet", b.Dir)
	}
	if b.AutoPin {
		l.warn(join(path, "auto_pin"), "auto_pin has no effect: the files in baseline.dir are the baseline")
	}
}

// proof is one of the ways to prove who the application is.
type proof struct{ key, value string }

func proofs(c *Credentials) []proof {
	return []proof{
		{"client_secret_file", c.ClientSecretFile},
		{"client_secret_env", c.ClientSecretEnv},
		{"certificate_file", c.CertificateFile},
		{"federated_token_file", c.FederatedTokenFile},
		{"managed_identity", c.ManagedIdentity},
	}
}

func (l *loader) checkCredentials(path string, c *Credentials) {
	var given, all []string
	for _, p := range proofs(c) {
		all = append(all, p.key)
		if p.value != "" || l.bad[join(path, p.key)] {
			given = append(given, p.key)
		}
	}
	choices := strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
	if len(given) == 0 {
		l.problemHint(path, "give exactly one of "+choices, "%s", unproven(l.given(path), path))
	}
	slices.SortStableFunc(given, func(a, b string) int { return l.at(join(path, a)).compare(l.at(join(path, b))) })
	for _, key := range given[min(1, len(given)):] {
		l.problemHint(join(path, key), "credentials take exactly one of "+choices, "%s beside %s", key, given[0])
	}
	managed := c.ManagedIdentity != "" || l.bad[join(path, "managed_identity")]
	switch {
	case c.ClientID == "" && !managed && len(given) > 0:
		l.missing(join(path, "client_id"))
	case c.ClientID != "" && managed:
		l.warn(join(path, "client_id"), "client_id is not used with managed_identity; a user-assigned identity is named by its own client id: managed_identity: CLIENT_ID")
	}
	l.checkProofs(path, c)
}

func unproven(present bool, path string) string {
	if present {
		return "credentials hold neither a secret, a certificate, a token nor a managed identity"
	}
	return strings.TrimSuffix(path, ".credentials") + " has no credentials"
}

func (l *loader) checkProofs(path string, c *Credentials) {
	for _, p := range proofs(c) {
		at := join(path, p.key)
		switch {
		case p.value == "":
		case p.key == "client_secret_env":
			l.checkEnv(at, p.value)
		case p.key == "managed_identity":
			if p.value != "system" {
				if id, ok := l.guid(at, p.key, p.value); ok {
					c.ManagedIdentity = id
				}
			}
		default:
			l.readFile(at, p.value, true)
		}
	}
}
