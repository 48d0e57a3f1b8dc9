package judge

import (
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// absent is the value of a property that is not there, in closed lists whose
// absence has a word of its own.
const absent = ""

// The words of the closed lists. A value that is not here is shown as it is and
// marked unknown.
var (
	stateWords = map[string]string{stateOn: "on", stateOff: "off", stateReportOnly: "report-only"}

	switchWords   = map[string]string{"true": "on", "false": "off", absent: "off"}
	yesWords      = map[string]string{"true": "yes", "false": "no", absent: "no"}
	includedWords = map[string]string{"true": "included", "false": "not included", absent: "not included"}
	modeWords     = map[string]string{"include": "include", "exclude": "exclude"}

	guestWords = map[string]string{
		"internalGuest":          "local guest users",
		"b2bCollaborationGuest":  "B2B collaboration guests",
		"b2bCollaborationMember": "B2B collaboration members",
		"b2bDirectConnectUser":   "B2B direct connect users",
		"otherExternalUser":      "other external users",
		"serviceProvider":        "service provider users",
		"none":                   "none",
	}
	tenantWords     = map[string]string{"all": "all", "enumerated": "selected"}
	tenantTypeWords = map[string]string{
		"#microsoft.graph.conditionalAccessAllExternalTenants":        "all",
		"#microsoft.graph.conditionalAccessEnumeratedExternalTenants": "selected",
	}
	actionWords = map[string]string{
		"urn:user:registersecurityinfo": "Register security information",
		"urn:user:registerdevice":       "Register or join devices",
		"urn:user:accountrecovery":      "Recover the account",
	}
	platformWords = map[string]string{
		"all": "Any platform", "android": "Android", "iOS": "iOS", "windows": "Windows",
		"windowsPhone": "Windows Phone", "macOS": "macOS", "linux": "Linux",
	}
	clientWords = map[string]string{
		"all": "All client apps", "browser": "Browser",
		"mobileAppsAndDesktopClients": "Mobile apps and desktop clients",
		"exchangeActiveSync":          "Exchange ActiveSync clients",
		"easSupported":                "Exchange ActiveSync (supported platforms)",
		"easUnsupported":              "Exchange ActiveSync (unsupported platforms)",
		"other":                       "Other clients (legacy authentication)",
	}
	deviceWords = map[string]string{
		"All": "All devices", "Compliant": "Compliant devices", "DomainJoined": "Hybrid joined devices",
	}
	riskWords    = map[string]string{"low": "low", "medium": "medium", "high": "high", "hidden": "hidden", "none": "no risk"}
	insiderWords = map[string]string{"minor": "minor", "moderate": "moderate", "elevated": "elevated"}
	flowWords    = map[string]string{"deviceCodeFlow": "Device code flow", "authenticationTransfer": "Authentication transfer", "none": "none"}

	operatorWords   = map[string]string{"AND": "all of the controls", "OR": "any of the controls"}
	unitWords       = map[string]string{"hours": "hours", "days": "days"}
	intervalWords   = map[string]string{"timeBased": "periodic", "everyTime": "every time"}
	factorWords     = map[string]string{"primaryAndSecondaryAuthentication": "all factors", "secondaryAuthentication": "second factor only"}
	browserWords    = map[string]string{"always": "always persistent", "never": "never persistent"}
	cloudAppWords   = map[string]string{"mcasConfigured": "custom policy", "monitorOnly": "monitor only", "blockDownloads": "block downloads"}
	evaluationWords = map[string]string{
		"strictLocation":    "strictly enforce location policies",
		"strictEnforcement": "strict enforcement",
		"disabled":          "disabled",
	}
	locationWords = map[string]string{
		"#microsoft.graph.ipNamedLocation":               "IP ranges",
		"#microsoft.graph.countryNamedLocation":          "countries",
		"#microsoft.graph.compliantNetworkNamedLocation": "compliant network",
	}
	strengthTypeWords = map[string]string{"builtIn": "built-in", "custom": "custom", absent: "none"}
	satisfiedWords    = map[string]string{"mfa": "MFA", "none": "no requirement", absent: "none"}
	lookupWords       = map[string]string{"clientIpAddress": "by IP address", "authenticatorAppGps": "by GPS coordinates"}
)

// grantWords are the built-in controls. A hard one cannot be met by an
// emergency account, which has no device of the company.
var grantWords = map[string]struct {
	words string
	hard  bool
}{
	"block":                {"block access", true},
	"mfa":                  {"MFA", false},
	"compliantDevice":      {"compliant device", true},
	"domainJoinedDevice":   {"hybrid joined device", true},
	"approvedApplication":  {"approved client app", true},
	"compliantApplication": {"app protection policy", true},
	"passwordChange":       {"password change", true},
	"riskRemediation":      {"risk remediation", true},
	"compliantNetwork":     {"compliant network", true},
	"verifiedID":           {"Verified ID", true},
}

// closed is the vocabulary of a closed list; flags may come comma-joined.
func closed(words map[string]string) vocabulary {
	return func(_ *World, value string) (string, bool) {
		var parts []string
		known := true
		for part := range strings.SplitSeq(value, ",") {
			text, ok := words[strings.TrimSpace(part)]
			if !ok {
				text = drift.Visible(part)
			}
			known = known && ok
			parts = append(parts, text)
		}
		return strings.Join(parts, ", "), known
	}
}

// plain shows any value as it is.
func plain(_ *World, value string) (string, bool) { return drift.Visible(value), true }

func shortID(_ *World, value string) (string, bool) { return short(value), true }

// people are users, groups and workload identities.
func people(w *World, value string) (string, bool) {
	switch value {
	case "All":
		return "All users", true
	case "None":
		return "None", true
	case "GuestsOrExternalUsers":
		return "All guest and external users", true
	case "ServicePrincipalsInMyTenant":
		return "All owned service principals", true
	}
	return w.directory(value), true
}

func agents(w *World, value string) (string, bool) {
	switch value {
	case "All":
		return "All agents", true
	case "None":
		return "None", true
	}
	return w.directory(value), true
}

func directoryRoles(w *World, value string) (string, bool) {
	if r, ok := roles[fold(value)]; ok {
		return r.name, true
	}
	return w.directory(value), true
}

func applications(w *World, value string) (string, bool) {
	switch value {
	case "All":
		return "All apps", true
	case "None":
		return "None", true
	case office365:
		return "Office 365", true
	case adminPortals:
		return "Microsoft Admin Portals", true
	case "AllAgentIdResources":
		return "All agent resources", true
	}
	if name, ok := firstPartyApps[fold(value)]; ok {
		return name, true
	}
	if !isGUID(value) {
		return drift.Visible(value), false
	}
	return w.directory(value), true
}

func namedLocations(w *World, value string) (string, bool) {
	switch value {
	case "All":
		return "Any location", true
	case "AllTrusted":
		return "Trusted locations", true
	case mfaTrustedIPs:
		return "MFA trusted IPs", true
	}
	if l := w.locations[fold(value)]; l != nil {
		return named(l.ref), true
	}
	return deadUnless(len(w.locations) == 0, value), true
}

func strengths(w *World, value string) (string, bool) {
	if s := w.strengths[fold(value)]; s != nil {
		return named(s.ref), true
	}
	if name, ok := builtInStrengths[fold(value)]; ok {
		return name, true
	}
	return deadUnless(len(w.strengths) == 0, value), true
}

func contexts(w *World, value string) (string, bool) {
	if name := w.contexts[value]; name != "" {
		return drift.Visible(value) + " (" + drift.Visible(name) + ")", true
	}
	return drift.Visible(value), true
}

func grantControls(_ *World, value string) (string, bool) {
	if g, ok := grantWords[value]; ok {
		return g.words, true
	}
	return drift.Visible(value), false
}

// methodWords are the parts of an authentication strength's combinations.
var methodWords = map[string]string{
	"password":                    "password",
	"voice":                       "phone call",
	"hardwareOath":                "hardware token",
	"softwareOath":                "authenticator code",
	"sms":                         "SMS",
	"fido2":                       "passkey (FIDO2)",
	"windowsHelloForBusiness":     "Windows Hello for Business",
	"microsoftAuthenticatorPush":  "Authenticator push",
	"deviceBasedPush":             "Authenticator phone sign-in",
	"temporaryAccessPassOneTime":  "one-time Temporary Access Pass",
	"temporaryAccessPassMultiUse": "reusable Temporary Access Pass",
	"email":                       "email",
	"x509CertificateSingleFactor": "certificate (single factor)",
	"x509CertificateMultiFactor":  "certificate (multifactor)",
	"federatedSingleFactor":       "federated single factor",
	"federatedMultiFactor":        "federated multifactor",
	"qrCodePin":                   "QR code and PIN",
}

func combinations(_ *World, value string) (string, bool) {
	var parts []string
	known := true
	for part := range strings.SplitSeq(value, ",") {
		words, ok := methodWords[strings.TrimSpace(part)]
		if !ok {
			words = drift.Visible(part)
		}
		known = known && ok
		parts = append(parts, words)
	}
	return strings.Join(parts, " + "), known
}
