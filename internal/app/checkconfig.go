package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// Probe is what asking for one kind came to.
type Probe struct {
	Tenant string     `json:"tenant"`
	Kind   drift.Kind `json:"kind"`
	OK     bool       `json:"ok"`
	// Writes marks the question whether the guard may write.
	Writes bool `json:"writes,omitempty"`
	// Objects counts what was listed.
	Objects int    `json:"objects"`
	Error   string `json:"error,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// CheckConfig prints what run would use, defaults filled in and secrets
// redacted, and with online asks every tenant for a token and every watched
// kind. It returns an error when run would not start or would be blind.
func CheckConfig(ctx context.Context, cfg *config.Config, online, asJSON bool, out io.Writer) error {
	built, err := newBuilder(NewMetrics(""), slog.New(slog.DiscardHandler)).build(cfg)
	if err != nil {
		return err
	}
	effective := cfg.Effective(func(c config.Cloud) (string, string) { return endpoints(config.Tenant{Cloud: c}) })
	if !asJSON {
		fmt.Fprintf(out, "%s", effective)
		for _, w := range cfg.Warnings {
			fmt.Fprintf(out, "warning: %s\n", w)
		}
	}
	var probes []Probe
	var extras []Extra
	if online {
		for _, t := range built.Tenants {
			mine := t.probe(ctx, out, asJSON)
			probes = append(probes, mine...)
			if blindSpots(mine) != nil {
				continue // first things first
			}
			beside := t.extras(ctx)
			extras = append(extras, beside...)
			for i := range beside {
				if !asJSON {
					beside[i].print(out)
				}
			}
		}
	}
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any{"config": string(effective), "warnings": cfg.Warnings, "online": probes, "extras": extras}); err != nil {
			return fmt.Errorf("print configuration: %w", err)
		}
	}
	return blindSpots(probes)
}

func blindSpots(probes []Probe) error {
	failed := 0
	for _, p := range probes {
		if !p.OK {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed: run would start and be blind there", failed, len(probes))
	}
	return nil
}

// probe asks for a token and for one listing per watched kind.
func (t *Tenant) probe(ctx context.Context, out io.Writer, quiet bool) []Probe {
	var probes []Probe
	say := func(p Probe) {
		probes = append(probes, p)
		switch {
		case quiet:
		case p.OK && p.Writes:
			fmt.Fprintf(out, "ok      %s  %-24s the guard may write\n", p.Tenant, p.Kind.Words())
		case p.OK:
			fmt.Fprintf(out, "ok      %s  %-24s %d objects\n", p.Tenant, p.Kind.Words(), p.Objects)
		default:
			fmt.Fprintf(out, "FAILED  %s  %-24s %s\n", p.Tenant, p.Kind.Words(), p.Error)
			if p.Hint != "" {
				fmt.Fprintf(out, "hint: %s\n", p.Hint)
			}
		}
	}
	for _, kind := range t.listed() {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		p := Probe{Tenant: t.Name, Kind: kind}
		l, err := t.Client.List(ctx, kind)
		cancel()
		if err == nil {
			p.OK, p.Objects = true, len(l.Items)
			say(p)
			continue
		}
		p.Error = err.Error()
		var ge *graph.Error
		if errors.As(err, &ge) {
			p.Hint = ge.Hint
		}
		say(p)
		if errors.As(err, &ge) && ge.Reason == drift.ReasonCredential {
			return probes // without a token every kind fails alike
		}
	}
	if p, ok := t.probeWrites(ctx); ok {
		say(p)
	}
	return probes
}

// probeWrites asks whether the guard may write, where it is to write at all.
func (t *Tenant) probeWrites(ctx context.Context) (Probe, bool) {
	if t.EmergencyAccess == nil || t.EmergencyAccess.Mode != config.ModeEnforce {
		return Probe{}, false
	}
	p := Probe{Tenant: t.Name, Kind: drift.Policy, Writes: true}
	may, known, err := t.Client.MayWrite(ctx)
	switch {
	case err != nil:
		p.Error = err.Error()
	case known && !may:
		p.Error = "the guard is in mode enforce and lacks the application permission " + graph.WritePermission
		p.Hint = "grant " + graph.WritePermission + " (type Application) to the app registration and give admin consent"
	default:
		p.OK = true
	}
	return p, true
}
