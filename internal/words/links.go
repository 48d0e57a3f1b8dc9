package words

import (
	"net/url"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// Links builds the links of alerts. The zero value builds none.
type Links struct {
	// External is web.external_url: where people reach the pages. Empty:
	// alerts link to the portal only.
	External string
	// Clouds is the cloud of each tenant by name (global, usgov, …), for the
	// portal's address.
	Clouds map[string]string
}

// Home is the start page, empty without an external address.
func (l Links) Home() string { return l.page("/") }

// Event is where an event leads to:
//
//	part of history                  its own page
//	not, about an object (reminder)  the object's timeline
//	not (heartbeat, test, alarm)     the start page
func (l Links) Event(e *drift.Event) string {
	switch {
	case e.Seq > 0:
		return l.page(EventPath(e.ID))
	case e.Object != nil:
		return l.page(ObjectPath(e.Tenant, *e.Object))
	}
	return l.Home()
}

// EventPath is where the pages show an event.
func EventPath(id string) string { return "/events/" + url.PathEscape(id) }

// ObjectPath is where the pages show an object's timeline.
func ObjectPath(tenant string, r drift.Ref) string {
	return "/objects/" + url.PathEscape(tenant) + "/" + url.PathEscape(string(r.Kind)) + "/" + url.PathEscape(r.ID)
}

// page joins the external address and a path. An address that is not plain
// http or https gives no link rather than a surprising one.
func (l Links) page(path string) string {
	u, err := url.Parse(l.External)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/") + path
}

// Portal is the policy's page in Microsoft's portal: empty for other kinds,
// for a policy that is gone, and for an id that is not a GUID, which nobody
// may smuggle into a link.
func (l Links) Portal(e *drift.Event) string {
	ref := e.Object
	if ref == nil {
		ref = e.Policy
	}
	if ref == nil || ref.Kind != drift.Policy || e.Action == drift.Deleted || !isGUID(ref.ID) {
		return ""
	}
	host := portalHost(l.Clouds[e.Tenant])
	if host == "" {
		return ""
	}
	return "https://" + host + "/#view/Microsoft_AAD_ConditionalAccess/PolicyBlade/policyId/" + ref.ID
}

// portalHost is the admin centre of a cloud; a custom cloud has none that we
// could know.
func portalHost(cloud string) string {
	switch cloud {
	case "", "global":
		return "entra.microsoft.com"
	case "usgov", "usgov-dod":
		return "entra.microsoft.us"
	case "china":
		return "entra.microsoftonline.cn"
	}
	return ""
}

func isGUID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range []byte(id) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return false
			}
		}
	}
	return true
}
