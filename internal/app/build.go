package app

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/beside"
	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/notify/slack"
	"github.com/cadrift/cadrift/internal/notify/teams"
	"github.com/cadrift/cadrift/internal/notify/webhook"
	"github.com/cadrift/cadrift/internal/poll"
	"github.com/cadrift/cadrift/internal/schedule"
	"github.com/cadrift/cadrift/internal/words"
)

// Built is everything of a configuration that can fail, made and not started.
type Built struct {
	Config    *config.Config
	Tenants   []*Tenant
	Receivers []*Receiver
	links     words.Links
}

// Tenant is one tenant's way to Graph and its schedule.
type Tenant struct {
	config.Tenant
	Schedule schedule.Schedule
	Tokens   *graph.Tokens
	Client   *graph.Client
	// unreachable says why there is no client.
	unreachable error
}

// Receiver is one receiver's rule and its way out.
type Receiver struct {
	config.Receiver
	Rule notify.Rule
	Sink notify.Sink
}

// builder makes parts, for the first start and for every reload.
type builder struct {
	metrics *Metrics
	log     *slog.Logger
	// pacers outlive a reload: Graph counts the tenant's requests, not our
	// clients.
	pacers map[string]*graph.Pacer
	// recorded is for commands about what was recorded: people who may not
	// read the daemon's secrets run them too. A tenant whose credentials
	// cannot be read then has no client.
	recorded bool
}

func newBuilder(m *Metrics, log *slog.Logger) *builder {
	return &builder{metrics: m, log: log, pacers: map[string]*graph.Pacer{}}
}

// build makes what the configuration asks for. Its errors carry the position
// of the key that caused them, all of them at once.
func (m *builder) build(cfg *config.Config) (*Built, error) {
	b := &Built{Config: cfg, links: linksOf(cfg)}
	var errs []error
	for i := range cfg.Tenants {
		t, err := m.tenant(cfg, i)
		errs = append(errs, err)
		b.Tenants = append(b.Tenants, t)
	}
	for i := range cfg.Receivers {
		r, err := buildReceiver(cfg, i, b.links)
		errs = append(errs, err)
		b.Receivers = append(b.Receivers, r)
	}
	if err := config.Join(errs...); err != nil {
		return nil, err
	}
	return b, nil
}

// endpoints resolves a tenant's cloud to its hosts.
func endpoints(t config.Tenant) (graphRoot, authority string) {
	if t.Cloud == config.Custom {
		return t.Endpoints.Graph, t.Endpoints.Authority
	}
	graphRoot, authority, _ = graph.Cloud(string(t.Cloud))
	return graphRoot, authority
}

func (m *builder) tenant(cfg *config.Config, i int) (*Tenant, error) {
	c := cfg.Tenants[i]
	at := func(key string) string { return fmt.Sprintf("tenants[%d].%s", i, key) }
	t := &Tenant{Tenant: c}
	var errs []error
	var err error
	if t.Schedule, err = schedule.Parse(c.Schedule, time.Now()); err != nil {
		errs = append(errs, cfg.Problem(at("schedule"), "%w", err))
	}
	roots, err := extraRoots(c.CAFile)
	if err != nil {
		errs = append(errs, cfg.Problem(at("ca_file"), "%v", err))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	transport := graph.NewTransport(roots)
	root, authority := endpoints(c)
	t.Tokens, err = graph.NewTokens(graph.Credentials{
		TenantID: c.TenantID, ClientID: c.Credentials.ClientID,
		Authority: authority, GraphEndpoint: root, CustomCloud: c.Cloud == config.Custom,
		SecretFile: c.Credentials.ClientSecretFile, SecretEnv: c.Credentials.ClientSecretEnv,
		CertificateFile:    c.Credentials.CertificateFile,
		FederatedTokenFile: c.Credentials.FederatedTokenFile,
		ManagedIdentity:    c.Credentials.ManagedIdentity,
		Transport:          transport,
		Logger:             m.log.With("tenant", c.Name),
	})
	if err != nil && m.recorded {
		t.unreachable = err
		return t, nil
	}
	if err != nil {
		return nil, cfg.Problem(at("credentials"), "%v", err)
	}
	writer, err := m.writer(cfg, i, transport)
	if err != nil {
		return nil, err
	}
	t.Client, err = graph.New(graph.Options{
		Endpoint: root, Version: c.GraphVersion, Tenant: c.Name, UserAgent: userAgent,
		Transport: transport, Tokens: t.Tokens, Writer: writer, Pacer: m.pacer(c),
		Logger: m.log, Metrics: m.metrics.Graph,
	})
	if err != nil {
		return nil, cfg.Problem(at("endpoints"), "%v", err)
	}
	return t, nil
}

// pacer is the tenant's budget of requests, the same one before and after a
// reload unless its rate changed.
func (m *builder) pacer(c config.Tenant) *graph.Pacer {
	key := fmt.Sprintf("%s %g", c.TenantID, c.RequestsPerSecond)
	if m.pacers[key] == nil {
		m.pacers[key] = graph.NewPacer(c.RequestsPerSecond)
	}
	return m.pacers[key]
}

func buildReceiver(cfg *config.Config, i int, links words.Links) (*Receiver, error) {
	c := cfg.Receivers[i]
	r := &Receiver{Receiver: c, Rule: ruleOf(c)}
	roots, err := extraRoots(c.CAFile)
	if err != nil {
		return nil, cfg.Problem(fmt.Sprintf("receivers[%d].ca_file", i), "%v", err)
	}
	post, err := notify.NewPoster(notify.PostOptions{URL: c.URL, URLFile: c.URLFile, RootCAs: roots, UserAgent: userAgent})
	if err != nil {
		return nil, cfg.Problem(fmt.Sprintf("receivers[%d]", i), "%v", err)
	}
	switch c.Type {
	case config.Slack:
		r.Sink = slack.New(post, links)
	case config.Teams:
		r.Sink = teams.New(post, links)
	case config.Webhook:
		r.Sink = webhook.New(post, c.SecretFile)
	}
	return r, nil
}

// ruleOf says which events a receiver wants.
func ruleOf(c config.Receiver) notify.Rule {
	return notify.Rule{
		Receiver: c.Name, Tenants: c.Tenants, Kinds: c.Kinds, MinSeverity: c.MinSeverity, Directions: c.Directions,
	}
}

// linksOf are the addresses that alerts lead to.
func linksOf(cfg *config.Config) words.Links {
	l := words.Links{External: cfg.Web.ExternalURL, Clouds: map[string]string{}}
	for _, t := range cfg.Tenants {
		l.Clouds[t.Name] = string(t.Cloud)
	}
	return l
}

// extraRoots adds the certificates of a file to the system's; nil without one.
func extraRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read CA certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA certificates: no PEM certificate in %s", file)
	}
	return pool, nil
}

// emergency is the list that judgements know, whatever the guard's mode.
func emergency(t config.Tenant) judge.Emergency {
	if t.EmergencyAccess == nil {
		return judge.Emergency{}
	}
	return judge.Emergency{Users: t.EmergencyAccess.Users, Groups: t.EmergencyAccess.Groups}
}

// watcher makes the loop of one tenant over a store, which may be nil.
func (t *Tenant) watcher(store poll.Store, hooks hooks, g poll.Guard, m *poll.Metrics, log *slog.Logger) (*poll.Watcher, error) {
	o := poll.Options{
		Tenant: t.Name, TenantID: t.TenantID, Schedule: t.Schedule,
		Kinds: t.Watch, GraphVersion: t.GraphVersion, Emergency: emergency(t.Tenant),
		AutoPin: t.Baseline.AutoPin, BaselineDir: t.Baseline.Dir,
		Store: store, Guard: g,
		Route: hooks.route, Wake: hooks.wake, Alarm: hooks.alarm,
		Metrics: m, Logger: log,
	}
	if t.Client != nil {
		o.Source, o.Beside = t.Client, t.beside(o.Emergency, log)
	}
	return poll.New(o)
}

// beside makes what is asked beside the readings: names, members and actors.
func (t *Tenant) beside(em judge.Emergency, log *slog.Logger) *beside.View {
	o := beside.Options{
		Tenant: t.Name, GraphVersion: t.GraphVersion,
		Directory: t.Client, Members: t.Client, Hidden: t.Client,
		ResolveNames: t.ResolveNames, Always: slices.Concat(em.Users, em.Groups),
		ActorIPs: t.Attribution == config.AttributionWhoIP, ClientIDs: t.clientIDs(), Logger: log,
	}
	if t.Attribution != config.AttributionOff {
		o.Audit = t.Client
	}
	return beside.New(o)
}

// listed are the watched kinds that Graph lists: groups are found in the
// policies.
func (t *Tenant) listed() []drift.Kind {
	return slices.DeleteFunc(slices.Clone(t.Watch), func(k drift.Kind) bool { return k == drift.Group })
}

// clientIDs are the applications that we act as.
func (t *Tenant) clientIDs() []string {
	ids := []string{strings.ToLower(t.Credentials.ClientID)}
	if t.EmergencyAccess != nil && t.EmergencyAccess.Credentials != nil {
		ids = append(ids, strings.ToLower(t.EmergencyAccess.Credentials.ClientID))
	}
	return ids
}

// hooks are what a watcher calls.
type hooks struct {
	route func(e *drift.Event, told []string) []string
	wake  func()
	alarm func(e drift.Event)
}
