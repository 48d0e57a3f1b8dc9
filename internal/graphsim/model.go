package graphsim

// model holds the shapes of everything a tenant stores. It is built once per
// server and never changed.
type model struct {
	policy, location, strength, context, securityDefaults *shape
}

func newModel() *model {
	return &model{
		policy:           policyShape(),
		location:         locationShape(),
		strength:         strengthShape(),
		context:          contextShape(),
		securityDefaults: securityDefaultsShape(),
	}
}

// policyShape leaves out description: it is in Microsoft's model, but no live
// body, v1.0 or beta, carries it.
func policyShape() *shape {
	return newShape("conditionalAccessPolicy",
		object("conditions", conditionsShape()).required(),
		text("createdDateTime").sealed(),
		text("deletedDateTime").sealed(),
		text("displayName").required(),
		object("grantControls", grantShape()),
		text("id").required().sealed(),
		text("modifiedDateTime").sealed(),
		text("partialEnablementStrategy").sealed().beta(),
		object("sessionControls", sessionShape()),
		one("state", values("enabled", "disabled", "enabledForReportingButNotEnforced")).required(),
		text("templateId").sealed(),
	)
}

func conditionsShape() *shape {
	risk := values("low", "medium", "high", "hidden", "none")
	return newShape("conditionalAccessConditionSet",
		flags("agentIdRiskLevels", values("low", "medium", "high")).beta().thin(),
		object("applications", newShape("conditionalAccessApplications",
			object("applicationFilter", filterShape()),
			texts("excludeApplications"),
			texts("includeApplications"),
			texts("includeAuthenticationContextClassReferences"),
			texts("includeUserActions"),
		)).stands(),
		object("authenticationFlows", newShape("conditionalAccessAuthenticationFlows",
			flags("transferMethods", values("none", "deviceCodeFlow", "authenticationTransfer")).required(),
		)).thin(),
		object("clientApplications", clientApplicationsShape()),
		many("clientAppTypes", values("all", "browser", "mobileAppsAndDesktopClients", "exchangeActiveSync", "easSupported", "other")),
		text("deviceStates").sealed().beta(),
		object("devices", newShape("conditionalAccessDevices",
			object("deviceFilter", filterShape()),
			texts("excludeDeviceStates").beta(),
			texts("excludeDevices").beta(),
			texts("includeDeviceStates").beta(),
			texts("includeDevices").beta(),
		)),
		flags("insiderRiskLevels", values("minor", "moderate", "elevated")).thin(),
		object("locations", newShape("conditionalAccessLocations",
			texts("excludeLocations"),
			texts("includeLocations"),
		)),
		object("platforms", platformsShape()),
		many("servicePrincipalRiskLevels", risk).thin(),
		many("signInRiskLevels", risk),
		text("times").sealed().beta(),
		many("userRiskLevels", risk),
		object("users", usersShape()).stands(),
	)
}

func platformsShape() *shape {
	platform := values("android", "iOS", "windows", "windowsPhone", "macOS", "all").then("linux")
	return newShape("conditionalAccessPlatforms",
		many("excludePlatforms", platform),
		many("includePlatforms", platform),
	)
}

func clientApplicationsShape() *shape {
	return newShape("conditionalAccessClientApplications",
		object("agentIdServicePrincipalFilter", filterShape()).beta().thin(),
		texts("excludeAgentIdServicePrincipals").beta().thin(),
		texts("excludeServicePrincipals"),
		texts("includeAgentIdServicePrincipals").beta().thin(),
		texts("includeServicePrincipals"),
		object("servicePrincipalFilter", filterShape()),
	)
}

func filterShape() *shape {
	return newShape("conditionalAccessFilter",
		one("mode", values("include", "exclude")).required(),
		text("rule").required(),
	)
}

func usersShape() *shape {
	kind := one("membershipKind", values("all", "enumerated"))
	guests := newShape("conditionalAccessGuestsOrExternalUsers",
		object("externalTenants", newUnion("conditionalAccessExternalTenants",
			newShape("conditionalAccessAllExternalTenants", kind),
			newShape("conditionalAccessEnumeratedExternalTenants", kind, texts("members")),
		)),
		flags("guestOrExternalUserTypes", values("none", "internalGuest", "b2bCollaborationGuest",
			"b2bCollaborationMember", "b2bDirectConnectUser", "otherExternalUser", "serviceProvider")).required(),
	)
	return newShape("conditionalAccessUsers",
		texts("excludeGroups"),
		object("excludeGuestsOrExternalUsers", guests),
		texts("excludeRoles"),
		texts("excludeUsers"),
		texts("includeGroups"),
		object("includeGuestsOrExternalUsers", guests),
		texts("includeRoles"),
		texts("includeUsers"),
	)
}

func grantShape() *shape {
	return newShape("conditionalAccessGrantControls",
		ref("authenticationStrength"),
		many("builtInControls", values("block", "mfa", "compliantDevice", "domainJoinedDevice", "approvedApplication",
			"compliantApplication", "passwordChange").then("riskRemediation")),
		texts("customAuthenticationFactors"),
		text("operator"),
		texts("termsOfUse"),
	)
}

func sessionShape() *shape {
	on := flag("isEnabled")
	return newShape("conditionalAccessSessionControls",
		object("applicationEnforcedRestrictions", newShape("applicationEnforcedRestrictionsSessionControl", on)),
		object("cloudAppSecurity", newShape("cloudAppSecuritySessionControl", on,
			one("cloudAppSecurityType", values("mcasConfigured", "monitorOnly", "blockDownloads")))),
		object("continuousAccessEvaluation", newShape("continuousAccessEvaluationSessionControl",
			one("mode", values("strictEnforcement", "disabled", "strictLocation")))).beta(),
		flag("disableResilienceDefaults"),
		object("globalSecureAccessFilteringProfile", newShape("globalSecureAccessFilteringProfileSessionControl", on,
			text("profileId"))).beta().thin(),
		object("persistentBrowser", newShape("persistentBrowserSessionControl", on,
			one("mode", values("always", "never")))),
		object("secureSignInSession", newShape("secureSignInSessionControl", on)),
		object("signInFrequency", newShape("signInFrequencySessionControl", on,
			one("authenticationType", values("primaryAndSecondaryAuthentication", "secondaryAuthentication")),
			one("frequencyInterval", values("timeBased", "everyTime")),
			one("type", values("days", "hours")),
			number("value"))),
	)
}

// locationShape includes the compliant network location, which exists in beta
// only: v1.0 listings leave such an object out.
func locationShape() *shape {
	common := []property{
		text("createdDateTime").sealed(),
		text("deletedDateTime").sealed(),
		text("displayName").required(),
		text("id").required().sealed(),
		text("modifiedDateTime").sealed(),
	}
	variant := func(name string, own ...property) *shape {
		return newShape(name, append(append([]property{}, common...), own...)...)
	}
	return newUnion("namedLocation",
		variant("ipNamedLocation",
			objects("ipRanges", newUnion("ipRange",
				newShape("iPv4CidrRange", text("cidrAddress").required()),
				newShape("iPv6CidrRange", text("cidrAddress").required()),
				newShape("iPv4Range", text("lowerAddress").required(), text("upperAddress").required()),
				newShape("iPv6Range", text("lowerAddress").required(), text("upperAddress").required()),
			)),
			flag("isTrusted").required()),
		variant("countryNamedLocation",
			texts("countriesAndRegions"),
			one("countryLookupMethod", values("clientIpAddress", "authenticatorAppGps")),
			flag("includeUnknownCountriesAndRegions").required()),
		variant(compliantNetwork,
			one("compliantNetworkType", values("allTenantCompliantNetworks")).beta(),
			flag("isTrusted").required()),
	)
}

const compliantNetwork = "compliantNetworkNamedLocation"

func strengthShape() *shape {
	modes := values("password", "voice", "hardwareOath", "softwareOath", "sms", "fido2", "windowsHelloForBusiness",
		"microsoftAuthenticatorPush", "deviceBasedPush", "temporaryAccessPassOneTime", "temporaryAccessPassMultiUse",
		"email", "x509CertificateSingleFactor", "x509CertificateMultiFactor", "federatedSingleFactor",
		"federatedMultiFactor").then("qrCodePin")
	id, applies := text("id").required(), flagSets("appliesToCombinations", modes)
	return newShape("authenticationStrengthPolicy",
		flagSets("allowedCombinations", modes),
		objects("combinationConfigurations", newUnion("authenticationCombinationConfiguration",
			newShape("fido2CombinationConfiguration", id, applies, texts("allowedAAGUIDs")),
			newShape("x509CertificateCombinationConfiguration", id, applies,
				texts("allowedIssuerSkis"), texts("allowedPolicyOIDs")),
		)),
		text("createdDateTime").required().sealed(),
		text("description"),
		text("displayName").required(),
		text("id").required().sealed(),
		text("modifiedDateTime").required().sealed(),
		one("policyType", values("builtIn", "custom")).required().sealed(),
		flags("requirementsSatisfied", values("none", "mfa")).required().sealed(),
	)
}

func contextShape() *shape {
	return newShape("authenticationContextClassReference",
		text("description"), text("displayName"), text("id").required().sealed(), flag("isAvailable"))
}

func securityDefaultsShape() *shape {
	return newShape("identitySecurityDefaultsEnforcementPolicy",
		text("description").sealed(), text("displayName").sealed(), text("id").required().sealed(),
		flag("isEnabled").required())
}
