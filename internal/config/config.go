package config

import (
	"log/slog"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// Config is the whole configuration, valid and with its defaults filled in.
// File names in it are absolute.
type Config struct {
	// StateDir holds the store, the control socket and GUARD_STOP.
	StateDir string
	// ControlSocket is the unix socket of the commands; by default
	// cadrift.sock in StateDir.
	ControlSocket string
	Log           Log
	Web           Web
	Retention     Retention
	Tenants       []Tenant
	Receivers     []Receiver

	// Warnings are what an operator should know and what does not stop a
	// start: "file:line:column: text", in the order of the file.
	Warnings []string

	// File is the name of the configuration file, as it was given.
	File      string
	positions map[string]Position
}

// Log says how much is logged, and how.
type Log struct {
	Level  slog.Level
	Format string // auto, text, json
}

// Web are the TCP listeners.
type Web struct {
	Listen         string
	HealthListen   string // empty: none
	ConfigFile     string // Prometheus web configuration; empty: none
	AllowPlaintext bool
	ExternalURL    string // without a slash at the end; may be empty
}

// Retention is how long history and the names of people are kept.
type Retention struct{ History, People time.Duration }

// Cloud names a Microsoft cloud; package graph knows its hosts.
type Cloud string

// The clouds. Custom has its endpoints in the configuration.
const (
	Global   Cloud = "global"
	USGov    Cloud = "usgov"
	USGovDoD Cloud = "usgov-dod"
	China    Cloud = "china"
	Custom   Cloud = "custom"
)

// Attribution says how much is asked about who made a change.
type Attribution string

// The attributions, least first.
const (
	AttributionOff   Attribution = "off"
	AttributionWho   Attribution = "who"
	AttributionWhoIP Attribution = "who+ip"
)

// Tenant is one watched tenant.
type Tenant struct {
	Name              string
	TenantID          string // lower-case GUID
	Cloud             Cloud
	Endpoints         Endpoints // given with Custom only
	CAFile            string
	RequestsPerSecond float64
	GraphVersion      string // v1.0, beta
	Credentials       Credentials
	Schedule          string // as written; package schedule parses it
	Watch             []drift.Kind
	Attribution       Attribution
	ResolveNames      bool
	Baseline          Baseline
	EmergencyAccess   *EmergencyAccess // nil: no such block
}

// Endpoints are base URLs without a slash at the end.
type Endpoints struct{ Graph, Authority string }

// Baseline says where the approved state comes from when no person pins it.
type Baseline struct {
	AutoPin bool
	Dir     string // empty: the baseline is in the store
}

// Credentials are how the application proves itself: exactly one of the
// fields after ClientID is set.
type Credentials struct {
	ClientID           string // lower-case GUID; may be empty with ManagedIdentity
	ClientSecretFile   string
	ClientSecretEnv    string // name of the variable
	CertificateFile    string
	FederatedTokenFile string
	ManagedIdentity    string // system, or a lower-case GUID
}

// Mode is what the emergency-access guard may do.
type Mode string

// The modes: nothing, show the plan, write it.
const (
	ModeOff     Mode = "off"
	ModePlan    Mode = "plan"
	ModeEnforce Mode = "enforce"
)

// Require is how many of the listed accounts a policy must exclude.
type Require string

// The requirements.
const (
	RequireAll Require = "all"
	RequireAny Require = "any"
)

// EmergencyAccess is the guard's list and its limits.
type EmergencyAccess struct {
	Mode                     Mode
	Users, Groups            []string // lower-case GUIDs
	Require                  Require
	ExemptPolicies           []Exemption
	MaxWritesPerHour         int
	MaxWritesPerPolicyPerDay int
	Hold                     time.Duration
	Credentials              *Credentials // nil: the tenant's own
}

// Exemption is a policy that the guard leaves alone, and why.
type Exemption struct{ ID, Reason string }

// ReceiverType is the protocol of a receiver.
type ReceiverType string

// The receiver types.
const (
	Slack   ReceiverType = "slack"
	Teams   ReceiverType = "teams"
	Webhook ReceiverType = "webhook"
)

// Receiver is one place that events are sent to. Exactly one of URL and
// URLFile is set. An empty filter list lets everything pass.
type Receiver struct {
	Name           string
	Type           ReceiverType
	URL            drift.Secret
	URLFile        string
	SecretFile     string // webhook only
	MinSeverity    drift.Severity
	Directions     []drift.Direction
	Tenants        []string
	Kinds          []drift.Kind
	RemindEvery    time.Duration // 0: never
	HeartbeatEvery time.Duration // 0: never
	CAFile         string
}

// defaults is what holds where the file is silent. Tenants, receivers and
// emergency access start from their own defaults below, one copy each.
func defaults() Config {
	const day = 24 * time.Hour
	return Config{
		StateDir:  "/var/lib/cadrift",
		Log:       Log{Level: slog.LevelInfo, Format: "auto"},
		Web:       Web{Listen: "127.0.0.1:9488"},
		Retention: Retention{History: 400 * day, People: 90 * day},
	}
}

func defaultTenant() Tenant {
	return Tenant{
		Cloud:             Global,
		RequestsPerSecond: 1,
		GraphVersion:      "v1.0",
		Schedule:          "@every 1m",
		Watch: []drift.Kind{
			drift.Policy, drift.NamedLocation, drift.AuthenticationStrength,
			drift.AuthenticationContext, drift.SecurityDefaults,
		},
		Attribution:  AttributionWho,
		ResolveNames: true,
	}
}

func defaultEmergency() EmergencyAccess {
	return EmergencyAccess{Require: RequireAll, MaxWritesPerHour: 10, MaxWritesPerPolicyPerDay: 3}
}

func defaultReceiver() Receiver { return Receiver{MinSeverity: drift.Low} }
