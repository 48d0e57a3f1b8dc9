package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// maxBody bounds an order. An import of a large tenant is a few megabytes.
const maxBody = 64 << 20

// order is answer for requests that change something: only for a local user,
// only as JSON, only up to a size.
func (a *API) order(f func(*http.Request) (any, error)) http.Handler {
	answered := a.answer(f)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := peerOf(r.Context()); !ok {
			writeFailure(w, &failure{http.StatusForbidden, "orders are taken from local users only", "use the unix socket"})
			return
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			writeFailure(w, &failure{http.StatusUnsupportedMediaType, "an order is application/json", ""})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		answered.ServeHTTP(w, r)
	})
}

// readOrder reads the body strictly: a misspelt member must not turn into a
// default.
func readOrder[T any](r *http.Request) (T, error) {
	var order T
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(&order)
	if err == nil {
		if _, trailing := dec.Token(); trailing != io.EOF {
			err = errors.New("something follows the document")
		}
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return order, err
	}
	if err != nil {
		return order, badRequest("", "read order: %v", err)
	}
	return order, nil
}

func (a *API) check(r *http.Request) (any, error) {
	if _, err := readOrder[struct{}](r); err != nil {
		return nil, err
	}
	name := r.URL.Query().Get("tenant")
	if name != "" {
		t, err := a.tenant(name)
		if err != nil {
			return nil, err
		}
		name = t.Name
	}
	result, err := a.keeper.Check(r.Context(), name)
	if err != nil {
		return nil, err
	}
	result.Tenants = list(result.Tenants)
	for i := range result.Tenants {
		t := &result.Tenants[i]
		t.Drifts, t.Changed, t.Unconfirmed = list(t.Drifts), list(t.Changed), list(t.Unconfirmed)
		presentFindings(t.Drifts)
		for j := range t.Changed {
			t.Changed[j].Changes = list(t.Changed[j].Changes)
			t.Changed[j].Patch = list(t.Changed[j].Patch)
		}
	}
	return result, nil
}

func (a *API) pin(r *http.Request) (any, error) {
	order, err := readOrder[PinOrder](r)
	if err != nil {
		return nil, err
	}
	return a.change(r, func(TenantName) (BaselineChange, error) {
		return BaselineChange{Verb: Pin, Revision: order.Revision, Reason: order.Reason}, nil
	})
}

func (a *API) accept(r *http.Request) (any, error) {
	order, err := readOrder[AcceptOrder](r)
	if err != nil {
		return nil, err
	}
	return a.change(r, func(t TenantName) (BaselineChange, error) {
		known, err := a.known([]TenantName{t})
		if err != nil {
			return BaselineChange{}, err
		}
		found, err := match(order.Object, known)
		return BaselineChange{Verb: Accept, Object: found.Object.Key(), Reason: order.Reason}, err
	})
}

func (a *API) importBaseline(r *http.Request) (any, error) {
	order, err := readOrder[ImportOrder](r)
	if err != nil {
		return nil, err
	}
	return a.change(r, func(TenantName) (BaselineChange, error) {
		kinds, err := checkImport(order)
		return BaselineChange{Verb: Import, Kinds: kinds, Objects: order.Objects, Reason: order.Reason}, err
	})
}

// checkImport tells everything that is wrong with the objects at once, and
// returns the kinds that the baseline will hold.
func checkImport(order ImportOrder) ([]drift.Kind, error) {
	var problems []string
	note := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	held := map[drift.Kind]bool{}
	hold := func(kind drift.Kind) bool {
		if !slices.Contains(drift.Kinds(), kind) {
			note("there is no kind %q", drift.Visible(string(kind)))
			return false
		}
		held[kind] = true
		return true
	}
	for _, kind := range order.Kinds {
		hold(kind)
	}
	seen := map[drift.Key]bool{}
	for i, o := range order.Objects {
		if !hold(o.Kind) {
			continue
		}
		var members map[string]json.RawMessage
		var id string
		if json.Unmarshal(o.Body, &members) != nil || json.Unmarshal(members["id"], &id) != nil || id == "" {
			note("object %d (%s) has no id", i+1, o.Kind)
			continue
		}
		key := drift.Key{Kind: o.Kind, ID: strings.ToLower(id)}
		if seen[key] {
			note("%s comes twice", drift.Visible(key.String()))
		}
		seen[key] = true
	}
	if len(held) == 0 {
		note("there are no objects")
	}
	if len(problems) > 0 {
		return nil, badRequest("", "import baseline: %s", strings.Join(problems, "; "))
	}
	var kinds []drift.Kind
	for _, kind := range drift.Kinds() {
		if held[kind] {
			kinds = append(kinds, kind)
		}
	}
	return kinds, nil
}

// change hands an order to the keeper, with who gave it and why.
func (a *API) change(r *http.Request, prepare func(TenantName) (BaselineChange, error)) (any, error) {
	t, err := a.tenant(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	c, err := prepare(t)
	if err != nil {
		return nil, err
	}
	if c.Reason = strings.TrimSpace(c.Reason); c.Reason == "" {
		return nil, badRequest("say why: the reason is recorded in the hash chain", "change baseline: the reason is missing")
	}
	peer, _ := peerOf(r.Context())
	c.By = peer.String()
	events, err := a.keeper.ChangeBaseline(r.Context(), t.Name, c)
	if err != nil {
		return nil, err
	}
	return Moved{Events: list(events)}, nil
}

func (a *API) parked(*http.Request) (any, error) {
	s, err := a.opened()
	if err != nil {
		return nil, err
	}
	parked, err := s.Parked()
	if err != nil {
		return nil, fmt.Errorf("read parked messages: %w", err)
	}
	return Parked{Parked: list(parked)}, nil
}

func (a *API) replay(r *http.Request) (any, error) {
	s, err := a.opened()
	if err != nil {
		return nil, err
	}
	order, err := readOrder[ReplayOrder](r)
	if err != nil {
		return nil, err
	}
	if order.Receiver != "" && !slices.Contains(a.receivers(), order.Receiver) {
		return nil, notFound("the configuration has "+strings.Join(a.receivers(), ", "), "there is no receiver %q", order.Receiver)
	}
	n, err := s.Replay(order.Receiver)
	if err != nil {
		return nil, fmt.Errorf("replay parked messages: %w", err)
	}
	a.wake()
	return Replayed{Replayed: n}, nil
}

// discard gives up what waits for a receiver that nobody configures any more.
// The history keeps the events.
func (a *API) discard(r *http.Request) (any, error) {
	s, err := a.opened()
	if err != nil {
		return nil, err
	}
	order, err := readOrder[DiscardOrder](r)
	if err != nil {
		return nil, err
	}
	if slices.Contains(a.receivers(), order.Receiver) {
		return nil, Refuse(fmt.Sprintf("receiver %s is configured", order.Receiver), "what waits for it is sent; remove it from the configuration first")
	}
	if q := s.Queues()[order.Receiver]; q.Queued+q.Parked == 0 {
		return nil, notFound("cadrift status names the receivers that have something", "nothing waits for a receiver %q", drift.Visible(order.Receiver))
	}
	n, err := s.Discard(order.Receiver, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("discard deliveries: %w", err)
	}
	peer, _ := peerOf(r.Context())
	a.log.Warn("deliveries discarded", "receiver", order.Receiver, "events", n, "by", peer.String())
	return Discarded{Discarded: n}, nil
}

// backup streams a copy of the store. An error after the first byte can only
// be told by cutting the stream.
func (a *API) backup(w http.ResponseWriter, r *http.Request) {
	s, err := a.opened()
	if err != nil {
		a.fail(w, r, err)
		return
	}
	out := &started{ResponseWriter: w}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, err = s.Backup(out)
	switch {
	case err == nil:
	case !out.yes:
		a.fail(w, r, err)
	default:
		a.log.Error("backup cut short", "err", err)
		panic(http.ErrAbortHandler)
	}
}

// started remembers whether anything was written.
type started struct {
	http.ResponseWriter
	yes bool
}

func (s *started) Write(b []byte) (int, error) {
	s.yes = true
	return s.ResponseWriter.Write(b)
}
