package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cadrift/cadrift/internal/app"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/graphsim/contoso"
	"github.com/cadrift/cadrift/internal/words"
)

// Options are the flags of the demo.
type Options struct {
	Listen   string
	StateDir string // empty: a temporary directory, removed at the end
	Speed    float64
	Version  string
	// Level, Format and Color are for the daemon's log, which goes to LogTo.
	Level, Format, Color string
	LogTo, Out           io.Writer
}

// requestsPerSecond is more than the real service allows, so that nobody waits
// for the demonstration: a pass takes less than a second instead of five.
const requestsPerSecond = 20

// show is one demonstration.
type show struct {
	o      Options
	dir    string
	cloud  *graphsim.Server
	tenant *graphsim.Tenant

	simulator, sink net.Listener
	web             chan string // the daemon's address, once it listens

	mu sync.Mutex // keeps console texts apart
}

// Run shows everything until ctx ends.
func Run(ctx context.Context, o Options) error {
	s := &show{o: o, dir: o.StateDir, web: make(chan string, 1)}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "cadrift-demo-")
		if err != nil {
			return fmt.Errorf("make demo directory: %w", err)
		}
		defer os.RemoveAll(dir)
		s.dir = dir
	}
	if err := s.prepare(); err != nil {
		return err
	}
	return s.run(ctx)
}

// prepare builds the stage: the simulated tenant, the sink, the files.
func (s *show) prepare() (err error) {
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return fmt.Errorf("find state directory: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	if s.cloud, s.tenant, err = contoso.New(time.Now()); err != nil {
		return fmt.Errorf("furnish the simulated tenant: %w", err)
	}
	s.tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond = requestsPerSecond })
	if s.simulator, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("open simulator: %w", err)
	}
	if s.sink, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return errors.Join(fmt.Errorf("open sink: %w", err), s.simulator.Close())
	}
	return s.write()
}

// write puts the configuration and its secrets where every other command
// finds them.
func (s *show) write() error {
	ca, err := s.cloud.CAPEM()
	if err != nil {
		return fmt.Errorf("make certificate: %w", err)
	}
	files := map[string][]byte{
		"ca.pem":        ca,
		"client-secret": []byte(contoso.ClientSecret + "\n"),
		"slack-url":     []byte("http://" + s.sink.Addr().String() + "/slack\n"),
		"teams-url":     []byte("http://" + s.sink.Addr().String() + "/teams?sig=demo\n"),
		"cadrift.yaml":  s.config(),
	}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), body, 0o600); err != nil {
			return fmt.Errorf("write demo files: %w", err)
		}
	}
	return nil
}

// config is the demo's configuration, a small real one.
func (s *show) config() []byte {
	simulator, sink, emergency := s.simulator.Addr(), s.sink.Addr(), contoso.EmergencyUsers()
	return fmt.Appendf(nil, `# Written by cadrift demo; every other command works against it while the demo runs.
state_dir: .
web:
  listen: %q
  external_url: %q
tenants:
  - name: contoso
    tenant_id: %s
    cloud: custom
    endpoints: {graph: "https://%s", authority: "https://%s"}
    ca_file: ca.pem
    requests_per_second: %d
    credentials: {client_id: %s, client_secret_file: client-secret}
    schedule: "@every %s"
    watch: [policies, named_locations, authentication_strengths, authentication_contexts, security_defaults, excluded_groups]
    attribution: who
    baseline: {auto_pin: true}
    emergency_access: {mode: enforce, users: [%s, %s]}
receivers:
  - {name: oncall, type: slack, url_file: slack-url, min_severity: low}
  - {name: soc, type: teams, url_file: teams-url, min_severity: medium}
  - {name: console, type: webhook, url: "http://%s/webhook"}
`, s.o.Listen, s.external(), contoso.TenantID, simulator, simulator,
		requestsPerSecond, contoso.ClientID, s.interval(), emergency[0], emergency[1], sink)
}

// interval is the time between passes: two seconds, and one when somebody is in
// a hurry.
func (s *show) interval() time.Duration {
	if s.o.Speed > 4 {
		return time.Second
	}
	return 2 * time.Second
}

// external is what alerts link to. With port 0 the address is known too late
// for the configuration, and alerts link to the portal only.
func (s *show) external() string {
	if _, port, err := net.SplitHostPort(s.o.Listen); err != nil || port == "0" {
		return ""
	}
	return "http://" + s.o.Listen
}

// run starts everything and plays the script.
func (s *show) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	page, err := newSink(s.alert)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: page, ReadHeaderTimeout: 10 * time.Second}
	g, gctx := errgroup.WithContext(ctx)
	// The daemon ends first: its last messages still find the sink.
	back, stopBack := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBack()
	g.Go(func() error { return s.cloud.ServeTLS(back, s.simulator) })
	g.Go(func() error {
		if err := server.Serve(s.sink); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("sink: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		defer func() { stopBack(); server.Close() }()
		return app.Run(gctx, app.Options{
			ConfigFile: filepath.Join(s.dir, "cadrift.yaml"), Version: s.o.Version,
			Level: cmp.Or(s.o.Level, "warn"), Format: s.o.Format, Color: s.o.Color, LogTo: s.o.LogTo,
			Listening: func(listener, addr string) {
				if listener == "web" {
					s.web <- addr
				}
			},
		})
	})
	g.Go(func() error { return s.play(gctx) })
	return g.Wait()
}

// play tells what to open, then runs the script, each step after a pass that
// came after the one before.
func (s *show) play(ctx context.Context) error {
	var web string
	select {
	case web = <-s.web:
	case <-ctx.Done():
		return nil
	}
	s.say("cadrift demo: the real daemon over a simulated tenant of %d policies. Nothing leaves this machine.\n\n"+
		"  status page   http://%s/\n  metrics       http://%s/metrics\n"+
		"  Slack         http://%s/slack\n  Teams         http://%s/teams\n\n"+
		"  in another terminal:  cadrift --config %s drifts\n\nPress Ctrl-C to end.\n\n",
		len(s.tenant.IDs(drift.Policy)), web, web, s.sink.Addr(), s.sink.Addr(), filepath.Join(s.dir, "cadrift.yaml"))
	steps := contoso.Script()
	if !s.passAfter(ctx, web, time.Now()) {
		return nil
	}
	for i, step := range steps {
		if !s.pause(ctx, step.Pause) {
			return nil
		}
		s.say("── step %d of %d: %s\n   expect: %s\n\n", i+1, len(steps), step.Title, step.Expect)
		if err := step.Do(s.tenant); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, step.Title, err)
		}
		if !s.passAfter(ctx, web, time.Now()) {
			return nil
		}
	}
	s.say("── the script is over; cadrift goes on watching. Look around, then press Ctrl-C.\n\n")
	return nil
}

// pause waits; false when the demo ends meanwhile.
func (s *show) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(time.Duration(float64(d) / s.o.Speed))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// passAfter waits for a good pass that began after the moment: two passes end
// after it. It asks the daemon as any script would.
func (s *show) passAfter(ctx context.Context, web string, moment time.Time) bool {
	var first time.Time
	for {
		last := lastGood(ctx, web)
		switch {
		case last.After(moment) && first.IsZero():
			first = last
		case last.After(first) && !first.IsZero():
			return true
		}
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

// lastGood is the time of the last good pass, zero while there is none.
func lastGood(ctx context.Context, web string) time.Time {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+web+"/api/v1/status", nil)
	if err != nil {
		return time.Time{}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return time.Time{}
	}
	defer resp.Body.Close()
	var doc struct {
		Tenants []struct {
			LastGood time.Time `json:"last_good"`
		} `json:"tenants"`
	}
	if json.NewDecoder(resp.Body).Decode(&doc) != nil || len(doc.Tenants) == 0 {
		return time.Time{}
	}
	return doc.Tenants[0].LastGood
}

// alert prints an event as on-call would read it.
func (s *show) alert(body []byte) {
	var e drift.Event
	if err := json.Unmarshal(body, &e); err != nil {
		s.say("unreadable webhook: %v\n", err)
		return
	}
	s.say("%s\n", words.Plain(&e))
}

func (s *show) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.o.Out, format, args...)
}
