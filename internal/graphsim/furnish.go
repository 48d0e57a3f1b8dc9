package graphsim

import (
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// The ids that every tenant has.
const (
	StrengthMFA               = "00000000-0000-0000-0000-000000000002"
	StrengthPasswordless      = "00000000-0000-0000-0000-000000000003"
	StrengthPhishingResistant = "00000000-0000-0000-0000-000000000004"
	SecurityDefaultsID        = "00000000-0000-0000-0000-000000000005"
)

// furnish puts into a new tenant what every tenant is born with: the built-in
// strengths and the security defaults, switched off.
func (t *Tenant) furnish() {
	resistant := []string{"windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor"}
	passwordless := append(slices.Clone(resistant), "deviceBasedPush")
	mfa := append(slices.Clone(passwordless), "temporaryAccessPassOneTime", "temporaryAccessPassMultiUse")
	second := []string{"microsoftAuthenticatorPush", "softwareOath", "hardwareOath", "sms", "voice"}
	for _, method := range second {
		mfa = append(mfa, "password,"+method)
	}
	mfa = append(mfa, "federatedMultiFactor")
	for _, method := range second {
		mfa = append(mfa, method+",federatedSingleFactor")
	}
	t.builtIn(StrengthMFA, "Multifactor authentication", "Any two factors, for example a password and a text message", mfa)
	t.builtIn(StrengthPasswordless, "Passwordless MFA", "Strong sign-in without a password, for example with the phone app", passwordless)
	t.builtIn(StrengthPhishingResistant, "Phishing-resistant MFA", "Methods that cannot be phished, for example a FIDO2 key", resistant)
	t.sets[drift.SecurityDefaults].put(SecurityDefaultsID, map[string]any{
		"description": "Protection that is the same for everybody, for tenants without Conditional Access.",
		"displayName": "Security Defaults",
		"id":          SecurityDefaultsID,
		"isEnabled":   false,
	}, time.Time{}, 0)
}

func (t *Tenant) builtIn(id, name, description string, combinations []string) {
	born := "2021-12-01T08:00:00Z"
	t.sets[drift.AuthenticationStrength].put(id, map[string]any{
		"allowedCombinations":       texted(combinations),
		"combinationConfigurations": []any{},
		"createdDateTime":           born,
		"description":               description,
		"displayName":               name,
		"id":                        id,
		"modifiedDateTime":          born,
		"policyType":                "builtIn",
		"requirementsSatisfied":     "mfa",
	}, time.Time{}, 0)
}

// texted turns strings into the members of a JSON array.
func texted(list []string) []any {
	out := make([]any, len(list))
	for i, text := range list {
		out[i] = text
	}
	return out
}
