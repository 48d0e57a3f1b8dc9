package judge

import (
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// directory is the name of a user, group, workload identity or app: "deleted or
// unknown (33333333…)" when the directory does not know the id, the short id
// when names are not resolved.
func (w *World) directory(id string) string {
	if w.names == nil || id == absent {
		return short(id)
	}
	name, ok := w.names(id)
	if ok && name != "" {
		return drift.Visible(name)
	}
	return deadUnless(ok, id)
}

// deadUnless words an id for which there is no name.
func deadUnless(alive bool, id string) string {
	if alive || id == absent {
		return short(id)
	}
	return "deleted or unknown (" + short(id) + ")"
}

// named is an object's name as a line shows it.
func named(r drift.Ref) string {
	if strings.TrimSpace(r.Name) == "" {
		return r.Kind.Words() + " " + short(r.ID)
	}
	return drift.Visible(r.Name)
}

// short is enough of an id to find it by.
func short(id string) string {
	if isGUID(id) {
		return id[:8] + "…"
	}
	return drift.Visible(id)
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := '0' <= s[i] && s[i] <= '9' || 'a' <= s[i]|0x20 && s[i]|0x20 <= 'f'
		if dash != (s[i] == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

const globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"

// roles are the well-known directory roles by template id, which is what
// policies hold. The privileged ones are those whose holders can give
// themselves the rest (detection law §3.6).
var roles = map[string]struct {
	name       string
	privileged bool
}{
	globalAdministrator:                    {"Global Administrator", true},
	"e8611ab8-c189-46e8-94e1-60213ab1f814": {"Privileged Role Administrator", true},
	"7be44c8a-adaf-4e2a-84d6-ab2649e08a13": {"Privileged Authentication Administrator", true},
	"194ae4cb-b126-40b2-bd5b-6091b380977d": {"Security Administrator", true},
	"b1be1c3e-b65d-4f19-8427-f6fa0d97feb9": {"Conditional Access Administrator", true},
	"9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3": {"Application Administrator", true},
	"158c047a-c907-4556-b7ef-446551a6b5f7": {"Cloud Application Administrator", true},
	"8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2": {"Hybrid Identity Administrator", true},
	"29232cdf-9323-42fd-ade2-1d097af3e4de": {"Exchange Administrator", true},
	"f28a1f50-f6e7-4571-818b-6a12f2af6b6c": {"SharePoint Administrator", true},
	"fe930be7-5e62-47db-91af-98c3a49a38b1": {"User Administrator", true},
	"c4e39bd9-1100-46d3-8c65-fb160da0071f": {"Authentication Administrator", true},

	"729827e3-9c14-49f7-bb1b-9608f156bbb8": {"Helpdesk Administrator", false},
	"b0f54661-2d74-4c50-afa3-1ec803f12efe": {"Billing Administrator", false},
	"966707d0-3269-4727-9be2-8c3a10f19b9d": {"Password Administrator", false},
	"f2ef992c-3afb-46b9-b7cf-a126ee74c451": {"Global Reader", false},
	"3a2c62db-5318-420d-8d74-23affee5d9d5": {"Intune Administrator", false},
	"69091246-20e8-4a56-aa4d-066075b2a7a8": {"Teams Administrator", false},
	"5f2222b1-57c3-48ba-8ad5-d4759f1fde6f": {"Security Operator", false},
	"5d6b6bb7-de71-4623-b4af-96380a352509": {"Security Reader", false},
	"17315797-102d-40b4-93e0-432062caca18": {"Compliance Administrator", false},
	"e6d1a23a-da11-4be4-9570-befc86d067a7": {"Compliance Data Administrator", false},
	"d29b2b05-8046-44ba-8758-1e26182fcf32": {"Directory Synchronization Accounts", false},
	"88d8e3e3-8f55-4a1e-953a-9b9898b8876b": {"Directory Readers", false},
	"9360feb5-f418-4baa-8175-e2a00bac4301": {"Directory Writers", false},
	"7698a772-787b-4ac8-901f-60d6b08affd2": {"Cloud Device Administrator", false},
	"892c5842-a9a6-463a-8041-72aa08ca3cf6": {"Cloud App Security Administrator", false},
	"45d8d3c5-c802-45c6-b32a-1d70b5e1e86e": {"Identity Governance Administrator", false},
	"0526716b-113d-4c15-b2c8-68e3c22b9f80": {"Authentication Policy Administrator", false},
	"11648597-926c-4cf3-9c36-bcebb0ba8dcc": {"Power Platform Administrator", false},
	"a9ea8996-122f-4c74-9520-8edcd192826c": {"Fabric Administrator", false},
	"44367163-eba1-44c3-98af-f5787879f96a": {"Dynamics 365 Administrator", false},
	"e3973bdf-4987-49ae-837a-ba8e231c7286": {"Azure DevOps Administrator", false},
	"7495fdc4-34c4-4d15-a289-98788ce399fd": {"Azure Information Protection Administrator", false},
	"11451d60-acb2-45eb-a7d6-43d0f0125c13": {"Windows 365 Administrator", false},
	"8329153b-31d0-4727-b945-745eb3bc5f31": {"Domain Name Administrator", false},
	"be2f45a1-457d-42af-a067-6ec1fa63bc45": {"External Identity Provider Administrator", false},
	"0f971eea-41eb-4569-a71e-57bb8a3eff1e": {"External ID User Flow Attribute Administrator", false},
	"6e591065-9bad-43ed-90f3-e9424366d2f0": {"External ID User Flow Administrator", false},
	"aaf43236-0c0d-4d5f-883a-6955382ac081": {"B2C IEF Keyset Administrator", false},
	"3edaf663-341e-4475-9f94-5c398ef6c070": {"B2C IEF Policy Administrator", false},
	"e00e864a-17c5-4a4b-9c06-f5b95a8d5bd8": {"Partner Tier2 Support", false},
	"4ba39ca4-527c-499a-b93d-d9b492c50246": {"Partner Tier1 Support", false},
	"fdd7a751-b60b-444a-984c-02652fe8fa1c": {"Groups Administrator", false},
	"4d6ac14f-3453-41d0-bef9-a3e0c569773a": {"License Administrator", false},
	"4a5d8f65-41da-4de4-8968-e035b65339cf": {"Reports Reader", false},
	"f023fd81-a637-4b56-95fd-791ac0226033": {"Service Support Administrator", false},
	"95e79109-95c0-4d8e-aee3-d01accf2d47b": {"Guest Inviter", false},
	"cf1c38e5-3621-4004-a7cb-879624dced7c": {"Application Developer", false},
	"c430b396-e693-46cc-96f3-db01bf8bb62a": {"Attack Simulation Administrator", false},
	"58a13ea3-c632-46ae-9ee0-9c0d43cd7f3d": {"Attribute Assignment Administrator", false},
	"8424c6f0-a189-499e-bbd0-26c1753c96d4": {"Attribute Definition Administrator", false},
	"59d46f88-662b-457b-bceb-5c3809e5908f": {"Lifecycle Workflows Administrator", false},
	"ac434307-12b9-4fa1-a708-88bf58caabc1": {"Global Secure Access Administrator", false},
	"eb1f4a8d-243a-41f0-9fbd-c7cdf6c5ef7c": {"Insights Administrator", false},
	"b5a8dcf3-09d5-43a9-a639-8e29ef291470": {"Knowledge Administrator", false},
	"75941009-915a-4869-abe7-691bff18279e": {"Skype for Business Administrator", false},
	"baf37b3a-610e-45da-9e62-d9d1e5e8914b": {"Teams Communications Administrator", false},
	"790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b": {"Message Center Reader", false},
	"5c4f9dcd-47dc-4cf7-8c9a-9e4207cbfc91": {"Customer LockBox Access Approver", false},
	"3f1acade-1e04-4fbc-9b69-f0302cd84aef": {"Edge Administrator", false},
	"644ef478-e28f-4e28-b9dc-3fdde9aa0b1f": {"Printer Administrator", false},
	"9f06204d-73c1-4d4c-880a-6edb90606fd8": {"Device Local Administrator", false},
	"d2562ede-74db-457e-a7b6-544e236ebb61": {"AI Administrator", false},
	"db506228-d27e-4b7d-95e5-295956d6615f": {"Agent ID Administrator", false},
	"adb2368d-a9be-41b5-8667-d96778e081b0": {"Agent ID Developer", false},
	"6b942400-691f-4bf0-9d12-d8a254a2baf5": {"Agent Registry Administrator", false},
	"9c6df0f2-1e7c-4dc3-b195-66dfbd24aa8f": {"Attack Payload Author", false},
	"5b784334-f94b-471a-a387-e7219fc49ca2": {"Attribute Log Administrator", false},
	"843318fb-79a6-4168-9e6f-aa9a07481cc4": {"Global Secure Access Log Reader", false},
	"31e939ad-9672-4796-9c2e-873181342d2d": {"Insights Business Leader", false},
	"024906de-61e5-49c8-8572-40335f1e0e10": {"People Administrator", false},
	"1707125e-0aa2-4d4d-8655-a7c786c76a25": {"Microsoft 365 Backup Administrator", false},
	"e300d9e7-4a2b-4295-9eff-f1c78b36cc98": {"Virtual Visits Administrator", false},
}

// firstPartyApps are Microsoft apps that policies name and that often have no
// service principal in the tenant.
var firstPartyApps = map[string]string{
	azureManagement:                        "Azure management",
	microsoftGraph:                         "Microsoft Graph",
	"00000002-0000-0000-c000-000000000000": "Azure AD Graph",
	"00000002-0000-0ff1-ce00-000000000000": "Exchange Online",
	"00000003-0000-0ff1-ce00-000000000000": "SharePoint Online",
	"00000004-0000-0ff1-ce00-000000000000": "Skype for Business Online",
	"00000005-0000-0ff1-ce00-000000000000": "Viva Engage",
	"00000006-0000-0ff1-ce00-000000000000": "Microsoft 365 portal",
	"00000007-0000-0000-c000-000000000000": "Dataverse",
	"00000009-0000-0000-c000-000000000000": "Power BI",
	"0000000a-0000-0000-c000-000000000000": "Microsoft Intune",
	"d4ebce55-015a-49b5-a083-c84d1797ae8c": "Microsoft Intune Enrollment",
	"cc15fd57-2c6c-4117-a88c-83b1d56b4bbe": "Microsoft Teams",
	"c44b4083-3bb0-49c1-b47d-974e53cbdf3c": "Azure portal",
	"499b84ac-1321-427f-aa17-267ca6975798": "Azure DevOps",
	"cfa8b339-82a2-471a-a3c9-0fc0be7a4093": "Azure Key Vault",
	"04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Azure CLI",
	"1950a258-227b-4e31-a9cf-717495945fc2": "Azure PowerShell",
	"14d82eec-204b-4c2f-b7e8-296a70dab67e": "Microsoft Graph PowerShell",
	"de8bc8b5-d9f9-48b1-a8ad-b748da725064": "Graph Explorer",
	"2793995e-0a7d-40d7-bd35-6968ba142197": "My Apps",
	"8c59ead7-d703-4a27-9e55-c96a0054c8d2": "My Profile",
	"19db86c3-b2b9-44cc-b339-36da233a3be2": "My Signins",
	"9cdead84-a844-4324-93f2-b2e6bb768d07": "Azure Virtual Desktop",
	"270efc09-cd0d-444b-a71f-39af4910ec45": "Windows Cloud Login",
	"0af06dc6-e4b5-4f28-818e-e78e62d137a5": "Windows 365",
	"05a65629-4c1b-48c1-a78b-804c4abdd4af": "Defender for Cloud Apps",
	"41b23e61-6c1e-4545-b367-cd054e0ed4b4": "Azure VPN",
}

// builtInStrengths are the names of the strengths every tenant has, for
// snapshots that do not hold strengths.
var builtInStrengths = map[string]string{
	mfaStrength:                            "Multifactor authentication",
	"00000000-0000-0000-0000-000000000003": "Passwordless MFA",
	"00000000-0000-0000-0000-000000000004": "Phishing-resistant MFA",
}
