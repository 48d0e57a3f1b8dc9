package api

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/cadrift/cadrift/internal/judge"
	"github.com/cadrift/cadrift/internal/store"
)

// TenantName is a configured tenant, as far as answers about it need it.
type TenantName struct {
	Name, ID string
	// Emergency and Names put words and verdicts to a diff, as they do to an
	// event. Names may be nil.
	Emergency judge.Emergency
	Names     judge.Names
}

// Options are what the handlers are made of.
type Options struct {
	// Store is nil when there is none yet: then every question about what was
	// recorded is answered with 404 and the way to a first pass.
	Store  *store.Store
	Keeper Keeper
	Alerts Alerts
	Guards Guards
	// Tenants are the configured tenants in the order of the configuration;
	// it is asked anew for every request, because a reload may change them.
	Tenants func() []TenantName
	// Receivers are the names of the configured receivers, asked for alike.
	Receivers func() []string
	// Wake is called after parked deliveries were queued again.
	Wake   func()
	Logger *slog.Logger
}

// API answers for a store and its keeper.
type API struct {
	store     *store.Store
	keeper    Keeper
	alerts    Alerts
	guards    Guards
	tenants   func() []TenantName
	receivers func() []string
	wake      func()
	log       *slog.Logger
}

// New makes an API. It starts nothing.
func New(o Options) *API {
	return &API{
		store: o.Store, keeper: o.Keeper, alerts: o.Alerts, guards: o.Guards, tenants: o.Tenants, receivers: o.Receivers,
		wake: o.Wake, log: o.Logger,
	}
}

// Read is the handler that answers questions and changes nothing.
func (a *API) Read() http.Handler {
	mux := http.NewServeMux()
	a.readRoutes(mux)
	return routed(mux)
}

// Control is Read and the orders. It must be reachable by local users only:
// orders are refused on connections without a [Peer].
func (a *API) Control() http.Handler {
	mux := http.NewServeMux()
	a.readRoutes(mux)
	a.controlRoutes(mux)
	return routed(mux)
}

func (a *API) readRoutes(mux *http.ServeMux) {
	mux.Handle("GET /api/v1/status", a.answer(a.status))
	mux.Handle("GET /api/v1/drifts", a.answer(a.drifts))
	mux.Handle("GET /api/v1/events", a.answer(a.events))
	mux.Handle("GET /api/v1/events/{id}", a.answer(a.event))
	mux.Handle("GET /api/v1/objects/{tenant}/{kind}/{id}", a.answer(a.object))
	mux.Handle("GET /api/v1/find", a.answer(a.find))
	mux.Handle("GET /api/v1/diff", a.answer(a.diff))
	mux.Handle("GET /api/v1/snapshot", a.answer(a.snapshot))
	mux.Handle("GET /api/v1/baseline", a.answer(a.baseline))
	mux.Handle("GET /api/v1/revisions", a.answer(a.revisions))
	mux.Handle("GET /api/v1/parked", a.answer(a.parked))
	mux.Handle("GET /api/v1/expectations", a.answer(a.expectations))
	mux.Handle("GET /api/v1/guard", a.answer(a.guardPlan))
	mux.Handle("GET /api/v1/guard/{tenant}", a.answer(a.guardPlan))
}

// controlRoutes are the orders, and the two questions that cost too much to
// be asked by everybody who reaches the listener.
func (a *API) controlRoutes(mux *http.ServeMux) {
	mux.Handle("GET /api/v1/verify", a.answer(a.verify))
	mux.HandleFunc("GET /api/v1/backup", a.backup)
	mux.Handle("POST /api/v1/check", a.order(a.check))
	mux.Handle("POST /api/v1/baseline/pin", a.order(a.pin))
	mux.Handle("POST /api/v1/baseline/accept", a.order(a.accept))
	mux.Handle("POST /api/v1/baseline/import", a.order(a.importBaseline))
	mux.Handle("POST /api/v1/notify/replay", a.order(a.replay))
	mux.Handle("POST /api/v1/notify/discard", a.order(a.discard))
	a.alertRoutes(mux)
	mux.Handle("POST /api/v1/guard/apply", a.order(a.guardApply))
	mux.Handle("POST /api/v1/guard/undo", a.order(a.guardUndo))
}

// routed answers for the routes that the mux does not have, in JSON as
// everything else.
func routed(mux *http.ServeMux) http.Handler {
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		other := r.Clone(r.Context())
		other.Method = http.MethodGet
		if _, pattern := mux.Handler(other); r.Method != http.MethodHead && pattern != "/" {
			w.Header().Set("Allow", "GET, HEAD")
			writeFailure(w, &failure{http.StatusMethodNotAllowed, r.URL.Path + " can only be read here", "orders go through the unix socket"})
			return
		}
		writeFailure(w, notFound("", "there is no %s", r.URL.Path))
	})
	return mux
}

// answer serves the document that f makes.
func (a *API) answer(f func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		document, err := f(r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, document)
	})
}

// fail answers with an error. Those that are nobody's mistake are logged too:
// the reader of a page cannot repair a disk.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if statusOf(err) == http.StatusInternalServerError && r.Context().Err() == nil {
		a.log.Error("request failed", "path", r.URL.Path, "err", err)
	}
	writeFailure(w, err)
}

// opened is the store, or the error that says how to get one.
func (a *API) opened() (*store.Store, error) {
	if a.store == nil {
		return nil, notFound("start cadrift run, or import a baseline", "nothing has been recorded yet: there is no store")
	}
	return a.store, nil
}

// tenant is the tenant of a name or tenant_id; an empty name means the only
// one.
func (a *API) tenant(name string) (TenantName, error) {
	all := a.tenants()
	if name == "" {
		if len(all) == 1 {
			return all[0], nil
		}
		return TenantName{}, badRequest("one of "+tenantNames(all), "which tenant? the configuration has %d", len(all))
	}
	for _, t := range all {
		if t.Name == name || strings.EqualFold(t.ID, name) {
			return t, nil
		}
	}
	return TenantName{}, notFound("the configuration has "+tenantNames(all), "there is no tenant %q", name)
}

// recorded is what a question about the past of one tenant needs.
func (a *API) recorded(tenant string) (*store.Store, TenantName, error) {
	s, err := a.opened()
	if err != nil {
		return nil, TenantName{}, err
	}
	t, err := a.tenant(tenant)
	return s, t, err
}

// selected are the tenants of a name: all of them when it is empty.
func (a *API) selected(name string) ([]TenantName, error) {
	if name == "" {
		return a.tenants(), nil
	}
	t, err := a.tenant(name)
	return []TenantName{t}, err
}

func tenantNames(tenants []TenantName) string {
	names := make([]string, len(tenants))
	for i, t := range tenants {
		names[i] = t.Name
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

func (a *API) status(r *http.Request) (any, error) {
	name := r.URL.Query().Get("tenant")
	selected, err := a.selected(name)
	if err != nil {
		return nil, err
	}
	s, err := a.keeper.Status(r.Context())
	if err != nil {
		return nil, fmt.Errorf("read status: %w", err)
	}
	if name != "" {
		kept := []TenantStatus{}
		for _, t := range s.Tenants {
			if t.Name == selected[0].Name {
				kept = append(kept, t)
			}
		}
		s.Tenants = kept
	}
	s.complete()
	return s, nil
}
