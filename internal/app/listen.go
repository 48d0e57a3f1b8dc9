package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/web"
)

// listeners are the daemon's open doors.
type listeners struct {
	servers []*http.Server
	socket  string
}

// newServer has the limits that keep a slow or a greedy client harmless.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// listen opens every listener before anything starts: a taken port is a
// start-up error, not a log line.
func (a *App) listen(cfg *config.Config) (*listeners, error) {
	l := &listeners{}
	handlers, err := a.handlers(cfg)
	if err != nil {
		return nil, err
	}
	if err := a.listenControl(l, cfg, handlers.control); err != nil {
		return nil, err
	}
	err = a.listenWeb(l, cfg, handlers)
	if err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return nil, errors.Join(err, l.close(ctx))
	}
	return l, nil
}

// handlers are what the listeners serve.
type handlers struct{ read, control, health http.Handler }

// api answers for the store and for everything that runs.
func (a *App) api() *api.API {
	return api.New(api.Options{
		Store: a.store, Keeper: a, Alerts: a, Guards: a, Tenants: a.tenantNames, Receivers: a.receiverNames, Wake: a.wake, Logger: a.log,
	})
}

func (a *App) handlers(cfg *config.Config) (handlers, error) {
	doc := a.api()
	pages, err := a.newPages(cfg, doc)
	if err != nil {
		return handlers{}, err
	}
	a.pages.Store(&pages)
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*a.pages.Load()).ServeHTTP(w, r) })
	return handlers{read: read, control: doc.Control(), health: web.Health(a.ready)}, nil
}

// newPages makes what the web listener serves under this configuration.
func (a *App) newPages(cfg *config.Config, doc *api.API) (http.Handler, error) {
	return web.New(web.Options{
		API: doc.Read(), Reader: reader{a}, Watch: reader{a}, Gatherer: a.metrics.Registry, Ready: a.ready,
		Version: a.o.Version, Listen: cfg.Web.Listen, ExternalURL: cfg.Web.ExternalURL, Logger: a.log,
	})
}

func (a *App) listenWeb(l *listeners, cfg *config.Config, h handlers) error {
	ln, err := net.Listen("tcp", cfg.Web.Listen)
	if err != nil {
		return cfg.Problem("web.listen", "%v", err)
	}
	server := newServer(h.read, a.log)
	l.servers = append(l.servers, server)
	a.announce("web", ln.Addr())
	flags := &toolkit.FlagConfig{
		WebListenAddresses: &[]string{cfg.Web.Listen}, WebSystemdSocket: new(bool), WebConfigFile: &cfg.Web.ConfigFile,
	}
	// The toolkit logs the address again, and says so when TLS is off.
	quiet := slog.New(slog.DiscardHandler)
	a.crew.start("web listener", func(context.Context) error {
		return ended(toolkit.Serve(ln, server, flags, quiet))
	})
	if cfg.Web.HealthListen == "" {
		return nil
	}
	// Not ln again: the goroutine above may not have taken its listener yet.
	healthLn, err := net.Listen("tcp", cfg.Web.HealthListen)
	if err != nil {
		return cfg.Problem("web.health_listen", "%v", err)
	}
	health := newServer(h.health, a.log)
	l.servers = append(l.servers, health)
	a.announce("health", healthLn.Addr())
	a.crew.start("health listener", func(context.Context) error { return ended(health.Serve(healthLn)) })
	return nil
}

// listenControl opens the unix socket, mode 0600. A socket file that a killed
// daemon left behind is replaced: the store's lock has already shown that no
// other daemon runs.
func (a *App) listenControl(l *listeners, cfg *config.Config, h http.Handler) error {
	path := cfg.ControlSocket
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return cfg.Problem("control_socket", "%s exists and is not a socket", path)
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove stale control socket: %w", err)
		}
	}
	ln, err := listenUnix(path)
	if err != nil {
		return fmt.Errorf("open control socket: %w", err)
	}
	server := newServer(h, a.log)
	server.WriteTimeout = 0 // a check paces its requests, a backup streams
	server.ConnContext = api.ConnContext
	l.servers = append(l.servers, server)
	l.socket = path
	a.announce("control", ln.Addr())
	a.crew.start("control listener", func(context.Context) error { return ended(server.Serve(ln)) })
	return nil
}

func (a *App) announce(listener string, addr net.Addr) {
	a.log.Info("listening", "listener", listener, "addr", addr.String())
	if a.o.Listening != nil {
		a.o.Listening(listener, addr.String())
	}
}

func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// close lets requests under way end, then closes.
func (l *listeners) close(ctx context.Context) error {
	var errs []error
	for _, s := range l.servers {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}
