package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

//go:embed templates static
var files embed.FS

// Options are what the handler is made of.
type Options struct {
	// API serves /api/v1/; it must be the reading side.
	API    http.Handler
	Reader Reader
	Watch  Watch
	// Gatherer serves /metrics.
	Gatherer prometheus.Gatherer
	// Ready is what /readyz asks; the reason names tenant and cause.
	Ready func() (ok bool, reason string)
	// Version is shown at the foot of the page.
	Version string
	// Listen is the address that the listener was asked for, ExternalURL the
	// one that alerts link to: the hosts of both may be asked for, and
	// Hosts, and the names of loopback. Where ExternalURL has a path, every
	// link is below it, and requests may come with it and without.
	Listen, ExternalURL string
	Hosts               []string
	Logger              *slog.Logger
}

// Limits of /metrics: a scraper that hangs must not hold the next one up.
const (
	metricsInFlight = 4
	metricsTimeout  = 10 * time.Second
)

// New builds the handler of the TCP listener.
func New(o Options) (http.Handler, error) {
	hosts, err := newHosts(o.Listen, o.ExternalURL, o.Hosts)
	if err != nil {
		return nil, err
	}
	base := basePath(o.ExternalURL)
	pages, err := newPages(o, base)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", o.API)
	mux.Handle("/static/", static())
	mux.HandleFunc("/{$}", pages.overview)
	mux.HandleFunc("/events/{id}", pages.event)
	mux.HandleFunc("/objects/{tenant}/{kind}/{id}", pages.object)
	mux.HandleFunc("/", pages.missing)
	// Probes and scrapers come under whatever name a service discovery gives:
	// what they may read names no object and no person.
	outer := http.NewServeMux()
	outer.HandleFunc("/healthz", healthz)
	outer.Handle("/readyz", readyz(o.Ready))
	outer.Handle("/metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{
		MaxRequestsInFlight: metricsInFlight,
		Timeout:             metricsTimeout,
	}))
	outer.Handle("/", hosts.only(mux))
	return shield(below(base, outer)), nil
}

// basePath is the path of an address, without a slash at its end.
func basePath(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.TrimRight(u.Path, "/")
}

// below serves everything below a path too: a proxy in front may take the path
// off or leave it, and some have none.
func below(base string, next http.Handler) http.Handler {
	if base == "" {
		return next
	}
	strip := http.StripPrefix(base, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == base:
			home := *r
			home.URL = &url.URL{Path: "/", RawQuery: r.URL.RawQuery}
			next.ServeHTTP(w, &home)
		case strings.HasPrefix(r.URL.Path, base+"/"):
			strip.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// Health builds the handler of the optional second listener: /healthz and
// /readyz and nothing else. Probes reach it under any host name; there is
// nothing to read.
func Health(ready func() (ok bool, reason string)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", healthz)
	mux.Handle("/readyz", readyz(ready))
	return shield(mux)
}

func healthz(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") }

func readyz(ready func() (bool, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if ok, reason := ready(); !ok {
			plain(w, http.StatusServiceUnavailable, "not ready: "+reason)
			return
		}
		plain(w, http.StatusOK, "ready")
	}
}

// plain answers probes and refusals: one line of text, never cached.
func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// static serves the stylesheet and the icon. Their names carry no digest, so
// they are kept for minutes only.
func static() http.Handler {
	serve := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/static/style.css", "/static/icon.svg":
			w.Header().Set("Cache-Control", "max-age=300")
			serve.ServeHTTP(w, r)
		default: // no directory listings
			plain(w, http.StatusNotFound, "not found")
		}
	})
}

// render writes a page, whole or not at all.
func (p *pages) render(w http.ResponseWriter, status int, t *template.Template, data any) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "page", data); err != nil {
		p.log.Error("render page", "error", err)
		plain(w, http.StatusInternalServerError, "the page could not be made; the log says why")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error here is a browser that went away.
	_, _ = b.WriteTo(w)
}
