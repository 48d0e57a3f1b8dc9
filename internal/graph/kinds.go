package graph

import "github.com/cadrift/cadrift/internal/drift"

// shape is where a kind lives in Graph and what reading it needs.
type shape struct {
	path       string
	plural     string
	permission string
}

// shapeOf knows the kinds that Graph lists as objects of their own. Groups are
// not among them: they are read by id, as members of policies.
func shapeOf(kind drift.Kind) (shape, bool) {
	const ca, policies = "/identity/conditionalAccess/", "/policies/"
	switch kind {
	case drift.Policy:
		return shape{ca + "policies", "policies", "Policy.Read.All"}, true
	case drift.NamedLocation:
		return shape{ca + "namedLocations", "named locations", "Policy.Read.All"}, true
	case drift.AuthenticationContext:
		// AuthenticationContext.Read.All is the least privilege, but the
		// daemon needs Policy.Read.All anyway and Graph accepts it here.
		return shape{
			ca + "authenticationContextClassReferences", "authentication contexts",
			"Policy.Read.All or AuthenticationContext.Read.All",
		}, true
	case drift.AuthenticationStrength:
		return shape{
			policies + "authenticationStrengthPolicies", "authentication strengths",
			"Policy.Read.All or Policy.Read.AuthenticationMethod",
		}, true
	case drift.SecurityDefaults:
		return shape{policies + "identitySecurityDefaultsEnforcementPolicy", "security defaults", "Policy.Read.All"}, true
	}
	return shape{}, false
}

// Cloud gives the Graph root and the login authority of one of Microsoft's
// clouds: global, usgov, usgov-dod or china.
func Cloud(name string) (graph, authority string, ok bool) {
	switch name {
	case "global":
		return "https://graph.microsoft.com", "https://login.microsoftonline.com", true
	case "usgov":
		return "https://graph.microsoft.us", "https://login.microsoftonline.us", true
	case "usgov-dod":
		return "https://dod-graph.microsoft.us", "https://login.microsoftonline.us", true
	case "china":
		return "https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn", true
	}
	return "", "", false
}
