package app

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/schedule"
)

// Load reads a configuration with everything that can be wrong with it told
// at once: what package config sees, and what only the parts can tell.
func Load(file string) (*config.Config, error) {
	return config.Load(file, schedules, certificates)
}

var (
	_ config.Check = schedules
	_ config.Check = certificates
)

// schedules are the schedules that cannot be meant.
func schedules(cfg *config.Config) []error {
	var errs []error
	for i, t := range cfg.Tenants {
		if t.Schedule == "" {
			continue // told by the load
		}
		if _, err := schedule.Parse(t.Schedule, time.Now()); err != nil {
			errs = append(errs, cfg.Problem(fmt.Sprintf("tenants[%d].schedule", i), "%w", err))
		}
	}
	return errs
}

// certificates are the certificate files that can be read and not be used.
// What else is wrong with the credentials is told by the load, and must not be
// told twice: the rest of what is asked for here is known to be good.
func certificates(cfg *config.Config) []error {
	var errs []error
	for i, t := range cfg.Tenants {
		file := t.Credentials.CertificateFile
		if text, err := os.ReadFile(file); err != nil || len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		root, authority, _ := graph.Cloud(string(config.Global))
		_, err := graph.NewTokens(graph.Credentials{
			TenantID: "checked", ClientID: "checked", Authority: authority, GraphEndpoint: root, CertificateFile: file,
		})
		if err != nil {
			errs = append(errs, cfg.Problem(fmt.Sprintf("tenants[%d].credentials.certificate_file", i), "%w", err))
		}
	}
	return errs
}
