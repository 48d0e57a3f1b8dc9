package contoso

import (
	"fmt"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// What a configuration needs to watch the demonstration's tenant. The secret
// opens nothing but this simulation.
const (
	TenantName   = "contoso"
	TenantID     = "c0870500-0000-4000-8000-000000000001"
	ClientID     = "c0870500-0000-4000-8000-000000000002"
	ClientSecret = "demonstration-only"
)

// EmergencyUsers are the object ids of the two emergency accounts.
func EmergencyUsers() []string { return ids([]string{"Emergency account 1", "Emergency account 2"}) }

// New makes a cloud that holds the demonstration's tenant as it was before
// the script begins, at the time now.
func New(now time.Time) (*graphsim.Server, *graphsim.Tenant, error) {
	server := graphsim.New(graphsim.Options{Seed: 60})
	tenant := server.AddTenant(TenantID, "Contoso")
	tenant.AddApp(graphsim.App{
		ClientID: ClientID, ObjectID: ID("cadrift service principal"), Name: "cadrift", Secret: ClientSecret,
		Roles: []string{graphsim.PolicyReadAll, graphsim.PolicyWrite, graphsim.AuditRead, graphsim.DirectoryRead},
	})
	populate(tenant)
	for _, kind := range []drift.Kind{drift.NamedLocation, drift.AuthenticationStrength, drift.AuthenticationContext, drift.Policy} {
		for _, what := range furniture(kind, now) {
			if err := tenant.Seed(kind, text(what)); err != nil {
				return nil, nil, fmt.Errorf("seed %s %v: %w", kind.Words(), what["displayName"], err)
			}
		}
	}
	return server, tenant, nil
}

// furniture lists the objects of a kind, the oldest first.
func furniture(kind drift.Kind, now time.Time) []body {
	var all []body
	switch kind {
	case drift.Policy:
		for i, d := range everyPolicy() {
			born, touched := age(now, i)
			all = append(all, d.seed(born, touched))
		}
		return all
	case drift.NamedLocation:
		all = locations()
	case drift.AuthenticationStrength:
		all = strengths()
	case drift.AuthenticationContext:
		return authenticationContexts()
	}
	for i, what := range all {
		born, touched := age(now, i)
		what["id"] = ID(what["displayName"].(string))
		what["createdDateTime"], what["modifiedDateTime"] = stamp(born), stamp(touched)
	}
	return all
}

// age spreads birthdays over the two years before now, with the odd digits
// that real ones have.
func age(now time.Time, n int) (born, touched time.Time) {
	odd := time.Duration(n+1) * 7654321 * time.Millisecond
	born = now.Add(-2 * 365 * 24 * time.Hour).Add(time.Duration(n) * 9 * 24 * time.Hour).Add(odd)
	return born, born.Add(time.Duration(n%5) * 13 * 24 * time.Hour)
}

func locations() []body {
	return []body{
		network("HQ", true, "192.0.2.0/26", "198.51.100.16/28"),
		network("HQ (IPv6)", true, "2001:db8:100::/48"),
		network("Data centre", true, "203.0.113.0/27", "2001:db8:200::/48"),
		network("Branch Rotterdam", true, "192.0.2.64/27"),
		network("Branch Hamburg", false, "192.0.2.96/27"),
		network("Branch Lyon", false, "192.0.2.128/27"),
		network("VPN exit", true, "198.51.100.64/29", "2001:db8:300::/56"),
		network("Pipeline runners", false, "203.0.113.128/26"),
		countries("Allowed countries", "clientIpAddress", false, "NL", "BE", "DE", "FR", "LU"),
		countries("Denied countries", "clientIpAddress", false, "KP", "IR", "SY"),
		countries("Netherlands by GPS", "authenticatorAppGps", false, "NL"),
		countries("Unknown countries", "clientIpAddress", true, "AQ"),
	}
}

func network(name string, trusted bool, cidrs ...string) body {
	ranges := make([]body, len(cidrs))
	for i, cidr := range cidrs {
		ranges[i] = ipRange(cidr)
	}
	return body{"@odata.type": "#microsoft.graph.ipNamedLocation", "displayName": name, "isTrusted": trusted, "ipRanges": ranges}
}

func ipRange(cidr string) body {
	kind := "#microsoft.graph.iPv4CidrRange"
	if strings.Contains(cidr, ":") {
		kind = "#microsoft.graph.iPv6CidrRange"
	}
	return body{"@odata.type": kind, "cidrAddress": cidr}
}

func countries(name, lookup string, unknown bool, codes ...string) body {
	return body{
		"@odata.type": "#microsoft.graph.countryNamedLocation", "displayName": name,
		"countriesAndRegions": codes, "countryLookupMethod": lookup, "includeUnknownCountriesAndRegions": unknown,
	}
}

func strengths() []body {
	return []body{
		{
			"displayName": "Company security keys", "description": "Keys that the company hands out",
			"allowedCombinations": []string{"fido2"},
			"combinationConfigurations": []body{{
				"@odata.type": "#microsoft.graph.fido2CombinationConfiguration", "id": ID("key models"),
				"appliesToCombinations": []string{"fido2"}, "allowedAAGUIDs": ids([]string{"key model A", "key model B"}),
			}},
		},
		{
			"displayName": "Smart card or security key", "description": "For approvals by the board",
			"allowedCombinations": []string{"x509CertificateMultiFactor", "fido2"},
			"combinationConfigurations": []body{{
				"@odata.type": "#microsoft.graph.x509CertificateCombinationConfiguration", "id": ID("card issuer"),
				"appliesToCombinations": []string{"x509CertificateMultiFactor"},
				"allowedIssuerSkis":     []string{"5F3A6B1C9D2E4F70818293A4B5C6D7E8F9010203"}, "allowedPolicyOIDs": []string{"2.16.528.1.1003.1.2.5.1"},
			}},
		},
	}
}

func authenticationContexts() []body {
	return []body{
		{"id": "c1", "displayName": "Role activation", "description": "Turning on a privileged role", "isAvailable": true},
		{"id": "c2", "displayName": "Personnel files", "description": "Opening the personnel site", "isAvailable": true},
		{"id": "c3", "displayName": "Payments", "description": "Approving payments", "isAvailable": true},
		{"id": "c4", "displayName": "Reserved", "description": "Not published yet", "isAvailable": false},
	}
}
