package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

// How much a page shows. More is in the API.
const (
	newestEvents   = 25
	timelineEvents = 200
	shownDrifts    = 100
	shownGaps      = 5
)

// pages are the three pages and the one that says there is nothing.
type pages struct {
	reader  Reader
	watch   Watch
	version string
	log     *slog.Logger

	front, single, timeline, trouble *template.Template
}

// newPages makes the pages; base is the path that all of them are below.
func newPages(o Options, base string) (*pages, error) {
	p := &pages{reader: o.Reader, watch: o.Watch, version: o.Version, log: o.Logger}
	for name, t := range map[string]**template.Template{
		"overview": &p.front, "event": &p.single, "object": &p.timeline, "trouble": &p.trouble,
	} {
		parsed, err := template.New(name).Funcs(funcs(base)).ParseFS(files,
			"templates/page.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		*t = parsed
	}
	return p, nil
}

// frame is what every page has.
type frame struct {
	Title   string
	Version string
	Now     time.Time
	// Refresh makes the page load itself anew after so many seconds; 0 never.
	Refresh int
}

func (p *pages) frame(title string) frame {
	return frame{Title: title, Version: p.version, Now: time.Now().UTC()}
}

func (p *pages) overview(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	o, err := p.watch.Overview(ctx)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	drifts, err := p.reader.Drifts(ctx, "")
	if err != nil {
		p.fail(w, r, err)
		return
	}
	events, err := p.reader.Events(ctx, "", "", newestEvents)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	f := p.frame("Overview")
	f.Refresh = 60
	more := max(0, len(drifts)-shownDrifts)
	p.render(w, http.StatusOK, p.front, struct {
		frame
		Overview
		Verdict verdict
		Several bool
		Counts  map[string]string
		Drifts  []drift.Finding
		More    int
		Events  []drift.Event
	}{f, o, firstLine(o, drifts, f.Now), len(o.Tenants) > 1, driftCounts(drifts), drifts[:len(drifts)-more], more, events})
}

// verdict is the first line of the front page: whether to look further.
type verdict struct {
	// Tone is good, low, medium, high or critical.
	Tone, Text, Detail string
}

// firstLine picks the one thing to say first:
//
//	open drift             the most severe one, however little we see
//	a blind spot           that part of the watch is not held, or that the
//	                       baseline is an old one, when it is only that
//	no tenant was read     waiting
//	a guard is stopped     that it is, while an exclusion is missing
//	nothing                all quiet
func firstLine(o Overview, drifts []drift.Finding, now time.Time) verdict {
	blind, files, unread, open := 0, 0, 0, 0
	var oldest time.Time
	for _, t := range o.Tenants {
		blind += len(t.Blind)
		for _, b := range t.Blind {
			if b.Reason == drift.ReasonBaseline {
				files++
			}
		}
		if t.Guard.Mode == "enforce" && t.Guard.Stopped && t.Guard.Missing > 0 {
			open++
		}
		if t.LastGood.IsZero() {
			unread++
		} else if oldest.IsZero() || t.LastGood.Before(oldest) {
			oldest = t.LastGood
		}
	}
	seen := "no tenant has been read yet"
	if !oldest.IsZero() {
		seen = "last good pass " + age(oldest, now) + " ago"
	}
	if blind > 0 {
		seen += ", " + words.Count(blind, "blind spot", "blind spots")
	}
	switch {
	case len(drifts) > 0:
		worst := drifts[0].Severity
		n := 0
		for _, d := range drifts {
			if d.Severity == worst {
				n++
			}
		}
		text := words.Count(len(drifts), "drift", "drifts") + " open"
		if worst > drift.Low {
			text += fmt.Sprintf(", %d %s", n, worst)
		}
		return verdict{worst.String(), text, seen}
	case blind > 0 && blind == files:
		return verdict{"high", "The baseline files cannot be read", seen}
	case blind > 0:
		return verdict{"high", "Not everything can be seen", seen}
	case unread > 0:
		return verdict{"low", "Waiting for the first reading", seen}
	}
	if open > 0 {
		return verdict{"high", "The guard is stopped, and an exclusion is missing", seen}
	}
	return verdict{"good", "All quiet", seen}
}

// driftCounts says per tenant how much drift is open: "1 critical, 2 low".
func driftCounts(drifts []drift.Finding) map[string]string {
	counts := map[string]map[drift.Severity]int{}
	for _, d := range drifts {
		if counts[d.Tenant] == nil {
			counts[d.Tenant] = map[drift.Severity]int{}
		}
		counts[d.Tenant][d.Severity]++
	}
	texts := map[string]string{}
	for tenant, bySeverity := range counts {
		for _, s := range drift.Severities() {
			if n := bySeverity[s]; n > 0 {
				sep := ""
				if texts[tenant] != "" {
					sep = ", "
				}
				texts[tenant] += fmt.Sprintf("%s%d %s", sep, n, s)
			}
		}
	}
	return texts
}

func (p *pages) event(w http.ResponseWriter, r *http.Request) {
	e, err := p.reader.Event(r.Context(), r.PathValue("id"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	later := ""
	if e.Type == drift.DriftChanged && e.Actor == nil { // the log was late: the event that followed says who
		if e.Actor, later, err = p.reader.Author(r.Context(), e.ID); err != nil {
			p.log.Warn("actor of an event not read", "event", e.ID, "error", err) // better without a name than no page
		}
	}
	p.render(w, http.StatusOK, p.single, struct {
		frame
		Event drift.Event
		Lines []words.Line
		// Later is the event that told who it was, when that is another one.
		Later string
	}{p.frame(words.Headline(&e)), e, beside(words.Lines(&e)), later})
}

// beside drops the lines that the page shows in another place.
func beside(lines []words.Line) []words.Line {
	return slices.DeleteFunc(lines, func(l words.Line) bool {
		return words.IsChange(l.Label) || l.Label == words.LabelEvent
	})
}

func (p *pages) object(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	tenant := r.PathValue("tenant")
	key := drift.Key{Kind: drift.Kind(r.PathValue("kind")), ID: r.PathValue("id")}
	ref, present, err := p.reader.Ref(ctx, tenant, key)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	events, err := p.reader.Events(ctx, tenant, key.ID, timelineEvents)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	// One id may belong to objects of two kinds.
	events = slices.DeleteFunc(events, func(e drift.Event) bool {
		return e.Object != nil && e.Object.Kind != key.Kind
	})
	open, err := p.openDrift(ctx, tenant, key)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.render(w, http.StatusOK, p.timeline, struct {
		frame
		Tenant  string
		Object  drift.Ref
		Present bool
		Drift   *drift.Finding
		Events  []drift.Event
		Full    bool
	}{p.frame(cmp.Or(drift.Visible(ref.Name), ref.ID)), tenant, ref, present, open, events, len(events) == timelineEvents})
}

// openDrift is the open drift of one object, nil when there is none.
func (p *pages) openDrift(ctx context.Context, tenant string, key drift.Key) (*drift.Finding, error) {
	drifts, err := p.reader.Drifts(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for i := range drifts {
		if drifts[i].Key() == key {
			return &drifts[i], nil
		}
	}
	return nil, nil
}

func (p *pages) missing(w http.ResponseWriter, r *http.Request) { p.fail(w, r, drift.ErrNotFound) }

// fail shows that a page cannot be shown. The cause goes to the log, not onto
// the page: it may speak of files.
func (p *pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusInternalServerError, "The store could not be read. The log says why."
	if errors.Is(err, drift.ErrNotFound) {
		status, text = http.StatusNotFound, "There is nothing here. It may have been pruned, or belong to another tenant."
	} else if r.Context().Err() == nil {
		p.log.Error("read page", "path", r.URL.Path, "error", err)
	}
	p.render(w, status, p.trouble, struct {
		frame
		Text string
	}{p.frame(http.StatusText(status)), text})
}
