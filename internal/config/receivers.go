package config

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

func (l *loader) checkReceivers() {
	taken := map[string]Position{}
	for i := range l.cfg.Receivers {
		path, r := element("receivers", i), &l.cfg.Receivers[i]
		if l.bad[path] {
			continue
		}
		l.name(path, r.Name, taken)
		if r.Type == "" {
			l.missing(join(path, "type"))
		}
		l.checkAddress(path, r)
		l.checkReceiverTenants(join(path, "tenants"), r.Tenants)
		if r.CAFile != "" {
			l.certificates(join(path, "ca_file"), r.CAFile)
		}
		l.checkSigning(join(path, "secret_file"), r)
		l.checkOften(join(path, "remind_every"), r.RemindEvery)
		l.checkOften(join(path, "heartbeat_every"), r.HeartbeatEvery)
	}
}

// often is what makes a channel that nobody reads any more.
const often = 10 * time.Minute

func (l *loader) checkOften(path string, every time.Duration) {
	if every > 0 && every < often {
		l.warn(path, "%s is %s: the receiver gets a message that often, day and night", lastKey(path), FormatDuration(every))
	}
}

func (l *loader) checkAddress(path string, r *Receiver) {
	inline, named := join(path, "url"), join(path, "url_file")
	hasURL := !r.URL.IsZero() || l.bad[inline]
	hasFile := r.URLFile != "" || l.bad[named]
	switch {
	case hasURL && hasFile:
		l.problem(named, "url_file beside url: give exactly one of them")
	case !hasURL && !hasFile:
		l.problemHint(path, "url_file names a file that holds the address, url is the address itself", "%s has neither url nor url_file", path)
	case !r.URL.IsZero():
		l.checkURL(inline, r.Type, r.URL.Reveal())
	case r.URLFile != "":
		if data := l.readFile(named, r.URLFile, true); data != nil {
			l.checkURL(named, r.Type, strings.TrimSpace(string(data)))
		}
	}
}

// checkURL checks the address of a receiver. Unknown hosts are no error: every
// product with a list of hosts broke when Microsoft moved to the next one.
func (l *loader) checkURL(path string, kind ReceiverType, text string) {
	what := "the address"
	if lastKey(path) == "url_file" {
		what = "the address in url_file"
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !validPort(u) || strings.ContainsAny(text, " \t\r\n") {
		l.problemHint(path, "for example https://host.example/path, in one line", "%s is not a URL", what)
		return
	}
	host := strings.ToLower(u.Hostname())
	addr, _ := netip.ParseAddr(host)
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		l.problem(path, "%s must start with https://", what)
	case u.Scheme == "http" && !loopback(host):
		l.problemHint(path, "use https", "%s is plain http: the address is a secret and would cross the network in the clear", what)
	case addr.IsLinkLocalUnicast():
		l.problem(path, "%s is link-local: cloud metadata services live there, receivers do not", what)
	case kind == Teams && (within(host, "webhook.office.com") || host == "outlook.office.com"):
		l.problemHint(path, `in Teams, make a workflow "Post to a channel when a webhook request is received" and use its URL`,
			"%s is a connector; Microsoft retired Office 365 connectors, and this one delivers nothing any more", what)
	case loopback(host):
	default:
		l.doubtURL(path, what, kind, host, u)
	}
}

// doubtURL warns of addresses that look wrong and may be right.
func (l *loader) doubtURL(path, what string, kind ReceiverType, host string, u *url.URL) {
	switch kind {
	case Slack:
		if host != "hooks.slack.com" && host != "hooks.slack-gov.com" {
			l.warn(path, "%s is not at hooks.slack.com", what)
		}
	case Teams:
		if u.Query().Get("sig") == "" {
			l.warn(path, "%s has no sig= in it: the workflow's trigger is open to users of the tenant only and will answer 401; set it to Anyone and copy the new URL", what)
		}
		if !slices.ContainsFunc(workflowDomains(), func(domain string) bool { return within(host, domain) }) {
			l.warn(path, "%s is not at a known host of Teams workflows", what)
		}
	}
}

// workflowDomains are where Power Automate and Logic Apps answer, in the
// public and in the national clouds.
func workflowDomains() []string {
	return []string{
		"api.powerplatform.com", "api.gov.powerplatform.microsoft.us", "api.high.powerplatform.microsoft.us",
		"api.appsplatform.us", "api.powerplatform.partner.microsoftonline.cn",
		"logic.azure.com", "logic.azure.us", "logic.azure.cn",
	}
}

func within(host, domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }

func (l *loader) checkReceiverTenants(path string, tenants []string) {
	var known []string
	for _, t := range l.cfg.Tenants {
		known = append(known, t.Name)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for i, name := range tenants {
		at := element(path, i)
		if l.bad[at] {
			continue
		}
		if name == "" {
			l.problem(at, "tenants has an entry without a name")
			continue
		}
		l.once(at, path, "tenants", name)
		if _, ok := slices.BinarySearch(known, name); !ok && !l.bad["tenants"] && !l.bad[at] {
			l.problemHint(at, l.tenantHint(name, known), "there is no tenant %s", quote(name))
		}
	}
}

func (l *loader) tenantHint(name string, known []string) string {
	if len(l.problems) >= maxProblems {
		return "" // nobody will read it, and it is slow over thousands of names
	}
	if near := nearest(name, known); near != "" {
		return "did you mean " + near + "?"
	}
	return "tenants here: " + strings.Join(known, ", ")
}

// minSecret is the fewest bytes of a Standard Webhooks secret.
const minSecret = 24

func (l *loader) checkSigning(path string, r *Receiver) {
	if r.SecretFile == "" {
		return
	}
	if r.Type != Webhook && r.Type != "" {
		l.problem(path, "secret_file is for receivers of type webhook only")
		return
	}
	data := l.readFile(path, r.SecretFile, true)
	if data == nil {
		return
	}
	const hint = `make one with: echo "whsec_$(openssl rand -base64 32)"`
	// While a secret is being replaced, the file holds both, a line each.
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		encoded, ok := strings.CutPrefix(line, secretPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		switch {
		case !ok || err != nil:
			l.problemHint(path, hint, "the secret in secret_file is not whsec_ and base64, as Standard Webhooks writes it")
		case len(key) < minSecret:
			l.problemHint(path, hint, "the secret in secret_file is shorter than %d bytes", minSecret)
		}
	}
}
