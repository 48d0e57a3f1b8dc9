package contoso

import "github.com/cadrift/cadrift/internal/graphsim"

// The policies that the script touches.
const (
	deviceCode  = "CA002: Global - Block device code flow"
	everyMFA    = "CA006: Global - Require MFA for everyone"
	adminKeys   = "CA101: Admins - Require phishing-resistant MFA"
	adminPlaces = "CA104: Admins - Block outside company locations"
	finance     = "CA203: Internals - Finance needs MFA and a managed device"
	mobileApps  = "CA204: Internals - Require protected apps on phones"
)

// Well-known applications.
const (
	exchange   = "00000002-0000-0ff1-ce00-000000000000"
	sharePoint = "00000003-0000-0ff1-ce00-000000000000"
	azure      = "797f4846-ba00-4fd7-ba43-dac1f8f63013"
	office     = "Office365"
	portals    = "MicrosoftAdminPortals"
)

// privileged are the directory roles (template ids) that count as
// administrators here, Global Administrator first.
func privileged() []string {
	return []string{
		"62e90394-69f5-4237-9190-012177145e10", "e8611ab8-c189-46e8-94e1-60213ab1f814", "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
		"194ae4cb-b126-40b2-bd5b-6091b380977d", "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9", "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
		"158c047a-c907-4556-b7ef-446551a6b5f7", "29232cdf-9323-42fd-ade2-1d097af3e4de", "f28a1f50-f6e7-4571-818b-6a12f2af6b6c",
		"fe930be7-5e62-47db-91af-98c3a49a38b1", "c4e39bd9-1100-46d3-8c65-fb160da0071f", "729827e3-9c14-49f7-bb1b-9608f156bbb8",
	}
}

const (
	guestKinds    = "internalGuest,b2bCollaborationGuest"
	externalKinds = "b2bCollaborationMember,b2bDirectConnectUser,otherExternalUser,serviceProvider"
	unmanaged     = `device.isCompliant -ne True -and device.trustType -ne "ServerAD"`
)

func everyPolicy() []*draft {
	var all []*draft
	for _, persona := range [][]*draft{global(), admins(), internals(), externals(), machines(), leftovers()} {
		all = append(all, persona...)
	}
	return all
}

func global() []*draft {
	phones := []string{"android", "iOS"}
	return []*draft{
		policy("CA001: Global - Block legacy authentication", everyone, clients("exchangeActiveSync", "other"), notGroups("Scan to mail"), block),
		policy(deviceCode, everyone, flows("deviceCodeFlow"), notGroups("Meeting rooms"), block),
		policy("CA003: Global - Block authentication transfer", everyone, flows("authenticationTransfer"), block),
		policy("CA004: Global - Block unknown platforms", everyone, platforms([]string{"all"}, []string{"android", "iOS", "windows", "macOS", "linux"}), block),
		policy("CA005: Global - Block countries without business", everyone, at("Denied countries"), notGroups("Travelling staff"), block),
		policy(everyMFA, everyone, strength(graphsim.StrengthMFA), notGroups("Service accounts", "Directory sync")),
		policy("CA007: Global - Register security info from trusted places only", everyone, actions("urn:user:registersecurityinfo"), outside("AllTrusted"), notOutsiders(guestKinds), strength(graphsim.StrengthMFA)),
		policy("CA008: Global - Require MFA to join devices", everyone, actions("urn:user:registerdevice"), anyOf("mfa")),
		policy("CA009: Global - Block high sign-in risk", everyone, when("signInRiskLevels", []string{"high"}), block),
		policy("CA010: Global - New password on high user risk", everyone, when("userRiskLevels", []string{"high"}), notOutsiders(guestKinds), allOf("mfa", "passwordChange"), everyTime()),
		policy("CA011: Global - MFA on medium sign-in risk", everyone, when("signInRiskLevels", []string{"medium"}), anyOf("mfa"), everyTime()),
		policy("CA012: Global - Require MFA in admin portals", everyone, apps(portals), anyOf("mfa")),
		policy("CA013: Global - Require MFA for Azure management", everyone, apps(azure), anyOf("mfa")),
		policy("CA014: Global - Block elevated insider risk", everyone, apps(office), when("insiderRiskLevels", "elevated"), block, reportOnly),
		policy("CA015: Global - Accept the terms of use", everyone, apps(office), terms("Terms of use 2026"), notGroups("Service accounts")),
		policy("CA016: Global - Ask again on shared phones", everyone, apps(office), platforms(phones, []string{}), device("include", `device.extensionAttribute1 -eq "shared"`), every(1, "hours")),
	}
}

func admins() []*draft {
	who := roles(privileged()...)
	return []*draft{
		policy(adminKeys, who, strength(graphsim.StrengthPhishingResistant)),
		policy("CA102: Admins - Require a managed device", who, notApps(office), anyOf("compliantDevice", "domainJoinedDevice"), notGroups("Admin workstation pilot")),
		policy("CA103: Admins - Sign in every four hours", who, every(4, "hours"), forgetBrowser()),
		policy(adminPlaces, who, apps(portals, azure), outside("HQ", "HQ (IPv6)", "Branch Rotterdam", "VPN exit"), block),
		policy("CA105: Admins - Company keys for Azure management", roles(privileged()[:3]...), apps(azure), strength(ID("Company security keys")), everyTime()),
		policy("CA106: Admins - Token protection", who, apps(exchange, sharePoint), platforms([]string{"windows"}, []string{}), clients("mobileAppsAndDesktopClients"), tokenProtection(), reportOnly),
		policy("CA107: Admins - Block phones in admin portals", who, apps(portals), platforms([]string{"android", "iOS"}, []string{}), block),
		policy("CA108: Admins - Block risky sign-ins", who, when("signInRiskLevels", []string{"high", "medium"}), block),
		policy("CA109: Admins - Key for role activation", everyone, contexts("c1"), strength(graphsim.StrengthPhishingResistant), everyTime()),
		policy("CA110: Admins - Break-glass drill group", groups("Break-glass drill"), strength(graphsim.StrengthPhishingResistant), notRoles(privileged()[0])),
	}
}

func internals() []*draft {
	staff := groups("All staff")
	phones := platforms([]string{"android", "iOS"}, []string{})
	return []*draft{
		policy("CA201: Internals - MFA outside trusted places", staff, outside("AllTrusted"), anyOf("mfa")),
		policy("CA202: Internals - Managed device for Office 365", staff, apps(office), platforms([]string{"windows", "macOS"}, []string{}), anyOf("compliantDevice", "domainJoinedDevice")),
		policy(finance, groups("Finance"), apps(ID("Ledger"), ID("Treasury")), allOf("mfa", "compliantDevice")),
		policy(mobileApps, staff, apps(office), phones, clients("mobileAppsAndDesktopClients"), anyOf("compliantApplication", "compliantDevice")),
		policy("CA205: Internals - Limited web access on private devices", staff, apps(exchange, sharePoint), clients("browser"), device("include", unmanaged), appRestrictions()),
		policy("CA206: Internals - No downloads on private devices", staff, apps(sharePoint), clients("browser"), device("include", unmanaged), proxied("blockDownloads")),
		policy("CA207: Internals - Forget private browsers", staff, device("include", unmanaged), clients("browser"), forgetBrowser()),
		policy("CA208: Internals - Sign in twice a day on private devices", staff, device("include", unmanaged), every(12, "hours")),
		policy("CA209: Internals - Personnel files need a managed device", everyone, contexts("c2"), allOf("mfa", "compliantDevice")),
		policy("CA210: Internals - Block retired Windows", staff, platforms([]string{"windows"}, []string{}), device("include", `device.operatingSystemVersion -startsWith "10.0.1"`), block),
		policy("CA211: Internals - Payroll from the office only", groups("Payroll"), apps(ID("Payroll")), outside("HQ", "HQ (IPv6)"), block),
		policy("CA212: Internals - Research stays in the country", groups("Research"), apps(ID("Lab notebook")), outside("Netherlands by GPS"), block),
		policy("CA213: Internals - Developers sign in every working day", groups("Developers"), apps(ID("Source code")), anyOf("mfa"), every(8, "hours")),
		policy("CA214: Internals - Token protection", staff, apps(exchange, sharePoint), platforms([]string{"windows"}, []string{}), clients("mobileAppsAndDesktopClients"), tokenProtection(), reportOnly),
		policy("CA215: Internals - Watch uploads", staff, apps(ID("File exchange")), clients("browser"), proxied("monitorOnly")),
		policy("CA216: Internals - Board approves payments with a key", groups("Board"), contexts("c3"), strength(ID("Smart card or security key")), everyTime()),
	}
}

func externals() []*draft {
	partners, visitors := outsiders(externalKinds), outsiders(guestKinds)
	return []*draft{
		policy("CA301: Externals - Require MFA", partners, strength(graphsim.StrengthMFA)),
		policy("CA302: Externals - Block admin portals", outsiders("b2bCollaborationMember,b2bDirectConnectUser,otherExternalUser"), apps(portals), block),
		policy("CA303: Externals - Block all but shared work", partners, notApps(office, ID("File exchange")), block),
		policy("CA304: Externals - Service providers use keys", outsiders("serviceProvider", "Managed service provider"), strength(graphsim.StrengthPhishingResistant)),
		policy("CA305: Externals - Accept the partner terms", partners, terms("Partner terms 2026")),
		policy("CA401: Guests - Require MFA", visitors, anyOf("mfa")),
		policy("CA402: Guests - Block all but Office 365", visitors, notApps(office), block),
		policy("CA403: Guests - Short sessions", visitors, every(8, "hours"), forgetBrowser()),
		policy("CA404: Guests - Block from denied countries", visitors, at("Denied countries", "Unknown countries"), block),
		policy("CA405: Guests - Fabrikam brings managed devices", outsiders("b2bCollaborationGuest", "Fabrikam"), apps(sharePoint), anyOf("compliantDevice")),
		policy("CA406: Guests - Old guest rules", visitors, anyOf("mfa"), off),
	}
}

func machines() []*draft {
	return []*draft{
		policy("CA501: Service accounts - Block outside the data centre", groups("Service accounts"), outside("Data centre"), block),
		policy("CA502: Service accounts - Block interactive portals", groups("Service accounts"), apps(portals, azure), block),
		policy("CA503: Service accounts - Directory sync from HQ only", groups("Directory sync"), outside("HQ", "Data centre"), block),
		policy("CA504: Service accounts - Scan to mail from branches", groups("Scan to mail"), apps(exchange), outside("HQ", "Branch Rotterdam", "Branch Hamburg", "Branch Lyon"), block),
		policy("CA601: Workload identities - Block outside known places", workloads("ServicePrincipalsInMyTenant"), outside("Data centre", "Pipeline runners"), block, reportOnly),
		policy("CA602: Workload identities - Block risky principals", workloads("ServicePrincipalsInMyTenant"), when("servicePrincipalRiskLevels", []string{"high", "medium"}), block),
		policy("CA603: Workload identities - Pipelines from runners only", workloads("Release pipeline", "Backup agent"), outside("Pipeline runners"), block),
		policy("CA701: Break-glass - Require security keys", people("Emergency account 1", "Emergency account 2"), unguarded, strength(ID("Company security keys"))),
	}
}

// leftovers are what every grown tenant has: trials, retired policies, and
// those that Microsoft put there.
func leftovers() []*draft {
	return []*draft{
		policy("CA901: Pilot - Passwordless for IT", groups("IT"), strength(graphsim.StrengthPasswordless), reportOnly),
		policy("CA902: Pilot - Compliant network", groups("IT"), unguarded, outside("VPN exit"), block, reportOnly),
		policy("CA903: Retired - MFA for VPN", everyone, unguarded, apps(ID("VPN")), anyOf("mfa"), off),
		policy("CA904: Test - do not enable", nobody, unguarded, block, off),
		policy("Microsoft-managed: Block legacy authentication", everyone, clients("exchangeActiveSync", "other"), block, off, template(ID("template legacy"))),
		policy("Microsoft-managed: MFA for administrators in admin portals", roles(privileged()...), apps(portals), anyOf("mfa"), reportOnly, template(ID("template portals"))),
		policy("Microsoft-managed: MFA for users of per-user MFA", groups("Per-user MFA"), anyOf("mfa"), reportOnly, template(ID("template per-user"))),
	}
}
