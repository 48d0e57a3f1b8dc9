package poll

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
)

// condition is one blind spot that is open now.
type condition struct {
	drift.Blind
	// words are the text for somebody who is woken up by it, empty where the
	// text itself is.
	words string
	// passes counts the passes in a row that found it.
	passes int
	told   bool
}

// sight is what one pass says of one blind spot.
type sight struct {
	text  string
	words string
	kinds []drift.Kind
}

// watchBlindness compares what the pass could not see with what earlier ones
// could not, and appends monitor.blind and monitor.recovered to the commit.
// What was told is remembered once the commit is durable (settleBlindness).
func (w *Watcher) watchBlindness(readings []reading, a *assessment, now time.Time) {
	sights := w.sights(readings, a)
	for _, reason := range drift.Reasons() {
		s, open := sights[reason]
		c, was := w.blind[reason]
		switch {
		case open:
			if !was {
				c = &condition{Blind: drift.Blind{Reason: reason, Since: now}}
				w.blind[reason] = c
			}
			c.Text, c.words, c.Kinds = s.text, s.words, s.kinds
			c.passes++
			if !c.told && w.tellNow(c, now) {
				a.tell = append(a.tell, c)
				a.commit.Events = append(a.commit.Events, w.route(w.blindEvent(c, now), nil))
			}
		case was && !c.told:
			delete(w.blind, reason)
		case was:
			// A full disk is over when this very commit gets through.
			a.recovered = append(a.recovered, reason)
			a.commit.Events = append(a.commit.Events, w.route(w.recoveredEvent(c, now), nil))
		}
	}
	if len(a.tell)+len(a.recovered) > 0 {
		blind := w.toldBlind(a)
		a.commit.Blind = &blind
	}
}

// settleBlindness remembers what a durable commit told.
func (w *Watcher) settleBlindness(a assessment) {
	for _, c := range a.tell {
		c.told = true
	}
	for _, reason := range a.recovered {
		delete(w.blind, reason)
	}
}

// tellNow is the contract's rule: a quarantine and an unknown enum member at
// once, a refused credential or permission on the second pass in a row,
// everything else after three missed intervals.
func (w *Watcher) tellNow(c *condition, now time.Time) bool {
	switch c.Reason {
	case drift.ReasonQuarantine, drift.ReasonUnknownEnum, drift.ReasonStore:
		return true
	case drift.ReasonCredential, drift.ReasonPermission:
		return c.passes >= 2
	case drift.ReasonInconsistent:
		return strings.Contains(c.Text, accepted)
	case drift.ReasonHidden, drift.ReasonAudit, drift.ReasonNames, drift.ReasonGroups:
		return false
	}
	return c.passes >= 3 || c.passes == 2 && now.Sub(c.Since) >= 3*w.o.Schedule.Interval(now)
}

// toldBlind are the blind spots that will have been told of, and are open,
// once the assessment is durable.
func (w *Watcher) toldBlind(a *assessment) []drift.Blind {
	out := []drift.Blind{}
	for _, reason := range drift.Reasons() {
		c, ok := w.blind[reason]
		if ok && !slices.Contains(a.recovered, reason) && (c.told || slices.Contains(a.tell, c)) {
			out = append(out, c.Blind)
		}
	}
	return out
}

const accepted = "taken as it is"

// sights lists what this pass could not see.
func (w *Watcher) sights(readings []reading, a *assessment) map[drift.Reason]sight {
	out := map[drift.Reason]sight{}
	for i := range readings {
		r := &readings[i]
		if r.good() {
			continue
		}
		reason := graph.ReasonOf(r.err)
		s := out[reason]
		s.kinds = append(s.kinds, r.kind)
		if s.text == "" {
			s.text, s.words = graph.Plain(r.err), graph.Cause(r.err)
		}
		out[reason] = s
	}
	for reason, s := range out {
		s.words = "cannot read " + w.blindTo(s.kinds, len(readings)) + ": " + s.words
		out[reason] = s
	}
	w.sightStale(a, out)
	w.sightQuarantine(readings, a, out)
	w.sightUnknown(a, out)
	if w.dir.problem != "" {
		out[drift.ReasonBaseline] = sight{text: "baseline files not read, the last good baseline stays: " + w.dir.problem}
	}
	for reason, text := range w.o.Beside.Limits() {
		out[reason] = sight{text: text}
	}
	return out
}

// blindTo names what cannot be read, of so many kinds: the tenant, or some of
// what it has.
func (w *Watcher) blindTo(kinds []drift.Kind, of int) string {
	if len(kinds) == of {
		return w.o.Tenant
	}
	var names []string
	for _, kind := range kinds {
		names = append(names, kind.Plural())
	}
	return "the " + strings.Join(names, ", ") + " of " + w.o.Tenant
}

func (w *Watcher) sightStale(a *assessment, out map[drift.Reason]sight) {
	switch {
	case len(a.inconsistent) > 0:
		out[drift.ReasonInconsistent] = sight{text: fmt.Sprintf(
			"Graph went on returning an older form of %s for %d passes; it is now %s", refNames(a.inconsistent), stalePasses+1, accepted)}
	case len(a.stale) > 0:
		out[drift.ReasonInconsistent] = sight{text: fmt.Sprintf("Graph returned an older form of %d objects than before; holding it", len(a.stale))}
	}
}

// sightQuarantine words a mass absence: "31 of 64 policies missing …".
func (w *Watcher) sightQuarantine(readings []reading, a *assessment, out map[drift.Reason]sight) {
	absences := w.state.Absences
	if a.commit.Absences != nil {
		absences = a.commit.Absences
	}
	byKind := map[drift.Kind][]drift.Ref{}
	for key, abs := range absences {
		if abs.Quarantined {
			byKind[key.Kind] = append(byKind[key.Kind], w.state.Objects[key].Ref)
		}
	}
	var texts []string
	var kinds []drift.Kind
	for _, kind := range drift.Kinds() {
		refs := byKind[kind]
		if len(refs) == 0 {
			continue
		}
		known := 0
		for key := range w.state.Objects {
			if key.Kind == kind {
				known++
			}
		}
		kinds = append(kinds, kind)
		texts = append(texts, fmt.Sprintf("%d of %d %s missing from the listing: deleted or unreadable, checking (%s)",
			len(refs), known, kind.Plural(), refNames(refs)))
	}
	if len(texts) > 0 {
		out[drift.ReasonQuarantine] = sight{text: strings.Join(texts, "; "), kinds: kinds}
	}
}

// sightUnknown names the objects that hold Graph's placeholder for a value
// that this client did not ask for.
func (w *Watcher) sightUnknown(a *assessment, out map[drift.Reason]sight) {
	with := map[drift.Key]drift.Ref{}
	for key, obj := range w.state.Objects {
		if len(obj.UnknownEnum) > 0 {
			with[key] = obj.Ref
		}
	}
	for _, obj := range slices.Concat(a.renewed, a.commit.Put) {
		delete(with, obj.Key())
		if len(obj.UnknownEnum) > 0 {
			with[obj.Key()] = obj.Ref
		}
	}
	for _, key := range a.commit.Gone {
		delete(with, key)
	}
	if len(with) == 0 {
		return
	}
	s := sight{text: "Graph hides a value as unknownFutureValue in " + refNames(slices.Collect(maps.Values(with)))}
	for key := range with {
		s.kinds = union(s.kinds, []drift.Kind{key.Kind})
	}
	out[drift.ReasonUnknownEnum] = s
}

// refNames are the first ten names, in order.
func refNames(refs []drift.Ref) string {
	names := make([]string, len(refs))
	for i, r := range refs {
		names[i] = drift.Visible(r.Name)
	}
	slices.Sort(names)
	if len(names) > 10 {
		return strings.Join(names[:10], ", ") + fmt.Sprintf(" and %d more", len(names)-10)
	}
	return strings.Join(names, ", ")
}

func (w *Watcher) blindEvent(c *condition, now time.Time) drift.Event {
	severity := drift.High
	switch c.Reason {
	case drift.ReasonCredential, drift.ReasonPermission, drift.ReasonQuarantine, drift.ReasonStore:
		severity = drift.Critical
	}
	e := drift.Event{
		Time: now, Type: drift.MonitorBlind, Tenant: w.o.Tenant, TenantID: w.o.TenantID,
		Severity: severity, Reason: string(c.Reason), Kinds: c.Kinds, Summary: c.Text,
	}
	if c.words != "" {
		e.Summary, e.Detail = c.words, c.Text
	}
	return e
}

func (w *Watcher) recoveredEvent(c *condition, now time.Time) drift.Event {
	return drift.Event{
		Time: now, Type: drift.MonitorRecovered, Tenant: w.o.Tenant, TenantID: w.o.TenantID,
		Severity: drift.Low, Reason: string(c.Reason), Kinds: c.Kinds,
		Summary: fmt.Sprintf("seeing again after %s (%s)", max(now.Sub(c.Since), 0).Round(time.Second), c.Reason),
	}
}

// degrade notes that the store takes no writes: passes go on and see the same
// changes again, nothing is sent but one alarm.
func (w *Watcher) degrade(err error, now time.Time) {
	w.o.Logger.Error("store takes no writes", "tenant", w.o.Tenant, "err", err)
	w.degraded = true
	if _, was := w.blind[drift.ReasonStore]; was {
		return
	}
	c := &condition{Blind: drift.Blind{Reason: drift.ReasonStore, Since: now, Text: "the store takes no writes: " + err.Error()}, words: "the store takes no writes: changes are seen, and nothing is recorded or sent", passes: 1, told: true}
	w.blind[drift.ReasonStore] = c
	if w.o.Alarm != nil {
		w.o.Alarm(w.blindEvent(c, now))
	}
}
