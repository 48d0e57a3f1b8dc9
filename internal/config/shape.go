package config

import (
	"log/slog"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// The tables below are the one list of keys: the strict decode, the
// suggestions, `config check` and the test of the JSON Schema read them.

func fields(c *Config) []field {
	return []field{
		file("state_dir", &c.StateDir),
		file("control_socket", &c.ControlSocket),
		object("log",
			pick("level", &c.Log.Level, levels()),
			pick("format", &c.Log.Format, strs("auto", "text", "json"))),
		object("web",
			text("listen", &c.Web.Listen),
			text("health_listen", &c.Web.HealthListen),
			file("config_file", &c.Web.ConfigFile),
			yesNo("allow_plaintext", &c.Web.AllowPlaintext),
			text("external_url", &c.Web.ExternalURL)),
		object("retention",
			span("history", &c.Retention.History, 24*time.Hour),
			span("people", &c.Retention.People, 24*time.Hour)),
		objects("tenants", &c.Tenants, defaultTenant, tenantFields),
		objects("receivers", &c.Receivers, defaultReceiver, receiverFields),
	}
}

func tenantFields(t *Tenant) []field {
	return []field{
		text("name", &t.Name),
		guid("tenant_id", &t.TenantID),
		pick("cloud", &t.Cloud, strs(Global, USGov, USGovDoD, China, Custom)),
		object("endpoints",
			text("graph", &t.Endpoints.Graph),
			text("authority", &t.Endpoints.Authority)),
		file("ca_file", &t.CAFile),
		rate("requests_per_second", &t.RequestsPerSecond),
		pick("graph_version", &t.GraphVersion, strs("v1.0", "beta")),
		object("credentials", credentialFields(&t.Credentials)...),
		text("schedule", &t.Schedule),
		pickList("watch", &t.Watch, watchWords()),
		pick("attribution", &t.Attribution, strs(AttributionOff, AttributionWho, AttributionWhoIP)),
		yesNo("resolve_names", &t.ResolveNames),
		object("baseline",
			yesNo("auto_pin", &t.Baseline.AutoPin),
			file("dir", &t.Baseline.Dir)),
		optional("emergency_access", &t.EmergencyAccess, defaultEmergency, emergencyFields),
	}
}

func credentialFields(c *Credentials) []field {
	return []field{
		guid("client_id", &c.ClientID),
		file("client_secret_file", &c.ClientSecretFile),
		text("client_secret_env", &c.ClientSecretEnv),
		file("certificate_file", &c.CertificateFile),
		file("federated_token_file", &c.FederatedTokenFile),
		text("managed_identity", &c.ManagedIdentity),
	}
}

func emergencyFields(e *EmergencyAccess) []field {
	return []field{
		pick("mode", &e.Mode, strs(ModeOff, ModePlan, ModeEnforce)),
		guids("users", &e.Users),
		guids("groups", &e.Groups),
		pick("require", &e.Require, strs(RequireAll, RequireAny)),
		objects("exempt_policies", &e.ExemptPolicies, func() Exemption { return Exemption{} }, exemptionFields),
		count("max_writes_per_hour", &e.MaxWritesPerHour),
		count("max_writes_per_policy_per_day", &e.MaxWritesPerPolicyPerDay),
		span("hold", &e.Hold, 0),
		optional("credentials", &e.Credentials, func() Credentials { return Credentials{} }, credentialFields),
	}
}

func exemptionFields(x *Exemption) []field {
	return []field{guid("id", &x.ID), text("reason", &x.Reason)}
}

func receiverFields(r *Receiver) []field {
	return []field{
		text("name", &r.Name),
		pick("type", &r.Type, strs(Slack, Teams, Webhook)),
		secret("url", &r.URL),
		file("url_file", &r.URLFile),
		file("secret_file", &r.SecretFile),
		pick("min_severity", &r.MinSeverity, severities()),
		pickList("directions", &r.Directions, directions()),
		texts("tenants", &r.Tenants),
		pickList("kinds", &r.Kinds, watchWords()),
		span("remind_every", &r.RemindEvery, 0),
		span("heartbeat_every", &r.HeartbeatEvery, 0),
		file("ca_file", &r.CAFile),
	}
}

func levels() []choice[slog.Level] {
	return []choice[slog.Level]{
		{"debug", slog.LevelDebug}, {"info", slog.LevelInfo}, {"warn", slog.LevelWarn}, {"error", slog.LevelError},
	}
}

// watchWords are the kinds as a configuration says them, in the plural, for
// watch and for a receiver's kinds alike.
func watchWords() []choice[drift.Kind] {
	return []choice[drift.Kind]{
		{"policies", drift.Policy},
		{"named_locations", drift.NamedLocation},
		{"authentication_strengths", drift.AuthenticationStrength},
		{"authentication_contexts", drift.AuthenticationContext},
		{"security_defaults", drift.SecurityDefaults},
		{"excluded_groups", drift.Group},
	}
}

func severities() []choice[drift.Severity] {
	var list []choice[drift.Severity]
	for _, s := range drift.Severities() {
		list = append(list, choice[drift.Severity]{s.String(), s})
	}
	return list
}

func directions() []choice[drift.Direction] {
	var list []choice[drift.Direction]
	for _, d := range []drift.Direction{drift.Weaker, drift.Stronger, drift.Mixed, drift.Neutral} {
		list = append(list, choice[drift.Direction]{d.String(), d})
	}
	return list
}
