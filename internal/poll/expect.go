package poll

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/baseline"
	"github.com/cadrift/cadrift/internal/drift"
)

// expectationEntry is the kind under which the store keeps announced changes.
const expectationEntry = "expectation"

// Expect announces a change. Until it ends, changes of objects whose name the
// pattern matches, or whose id it is, are recorded as ever and delivered low.
func (w *Watcher) Expect(pattern string, until time.Time, reason, by string) (drift.Expectation, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().UTC()
	if !until.After(now) {
		return drift.Expectation{}, fmt.Errorf("%w: the announcement would be over before it begins", ErrRefused)
	}
	x := drift.Expectation{ID: strings.ToLower(rand.Text()[:8]), Pattern: pattern, Until: until.UTC(), Reason: reason, By: by}
	value, err := json.Marshal(x)
	if err != nil {
		return x, fmt.Errorf("encode expectation: %w", err)
	}
	entries := append(w.overdue(now), drift.Entry{Kind: expectationEntry, ID: x.ID, Value: value})
	if _, err := w.commitLocked(drift.Commit{TenantID: w.o.TenantID, Time: now, Entries: entries}); err != nil {
		return x, err
	}
	w.expectations = append(w.announced(now), x)
	return x, nil
}

// Withdraw ends an announcement. The error is drift.ErrNotFound when there is
// none of that id.
func (w *Watcher) Withdraw(id string) (drift.Expectation, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().UTC()
	i := slices.IndexFunc(w.expectations, func(x drift.Expectation) bool { return x.ID == id && x.Until.After(now) })
	if i < 0 {
		return drift.Expectation{}, fmt.Errorf("expectation %s: %w", drift.Visible(id), drift.ErrNotFound)
	}
	gone := w.expectations[i]
	entries := append(w.overdue(now), drift.Entry{Kind: expectationEntry, ID: id})
	commit := drift.Commit{TenantID: w.o.TenantID, Time: now, Entries: entries, Findings: w.uncovered(id)}
	if _, err := w.commitLocked(commit); err != nil {
		return gone, err
	}
	w.expectations = slices.DeleteFunc(w.announced(now), func(x drift.Expectation) bool { return x.ID == id })
	return gone, nil
}

// uncovered are the findings of an announcement without it: their reminders
// are loud again.
func (w *Watcher) uncovered(id string) []drift.Finding {
	var out []drift.Finding
	for _, f := range w.state.Findings {
		if f.Expected != nil && f.Expected.ID == id {
			f.Expected = nil
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b drift.Finding) int { return a.Key().Compare(b.Key()) })
	return out
}

// Expectations are the announcements that hold now, the first to end first.
func (w *Watcher) Expectations() []drift.Expectation {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.announced(time.Now())
	slices.SortFunc(all, func(a, b drift.Expectation) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// announced is a copy of the announcements that are not over.
func (w *Watcher) announced(now time.Time) []drift.Expectation {
	return slices.DeleteFunc(slices.Clone(w.expectations), func(x drift.Expectation) bool { return !x.Until.After(now) })
}

// overdue removes the entries of announcements that are over, together with
// the next one that changes: their end was part of what was chained.
func (w *Watcher) overdue(now time.Time) []drift.Entry {
	var out []drift.Entry
	for _, x := range w.expectations {
		if !x.Until.After(now) {
			out = append(out, drift.Entry{Kind: expectationEntry, ID: x.ID})
		}
	}
	return out
}

// loadExpectations reads what was announced before the process started.
func (w *Watcher) loadExpectations() error {
	if w.o.Store == nil {
		return nil
	}
	entries, err := w.o.Store.Entries(w.o.TenantID, expectationEntry)
	if err != nil {
		return fmt.Errorf("load announced changes of %s: %w", w.o.Tenant, err)
	}
	for _, e := range entries {
		var x drift.Expectation
		if err := json.Unmarshal(e.Value, &x); err != nil {
			return fmt.Errorf("load announced change %s of %s: %w", e.ID, w.o.Tenant, err)
		}
		w.expectations = append(w.expectations, x)
	}
	return nil
}

// expected fills an event whose change was announced.
//
//	change                                expected  delivered_severity
//	matches, ordinary                     filled    low
//	matches, lockout risk                 filled    none: as loud as it is
//	matches, an enforced policy deleted   filled    none: as loud as it is
//	matches, our own credential misused   filled    none: as loud as it is
//	does not match, or too late           none      none
func (w *Watcher) expected(e *drift.Event, c change) {
	for _, x := range w.announced(e.Time) {
		if !announces(x.Pattern, c) {
			continue
		}
		e.Expected = &x
		if !e.Locks() && !removesEnforced(c) && !e.Misused() {
			e.DeliveredSeverity = new(drift.Low)
		}
		return
	}
}

// cover notes on a finding that an announcement covers it.
//
//	drift before       form     change                   announcement
//	none               new      announced, delivered low the change's
//	covered            moved    announced, delivered low the change's
//	any                the same any                      what it was, none once judged worse
//	uncovered          moved    any                      none: it has a part that nobody announced
//	any                moved    not lowered              none
func cover(old, new *drift.Finding, e *drift.Event) {
	if e.DeliveredSeverity == nil || old != nil && (old.Expected == nil || baseline.SamePatch(old.BaselinePatch, new.BaselinePatch)) {
		return
	}
	new.Expected = e.Expected
}

// announces tells whether a pattern speaks of a change. What counts is the
// name before the change: otherwise a rename into an announced name would
// carry any weakening along.
func announces(pattern string, c change) bool {
	form := c.old
	if form == nil {
		form = c.new
	}
	return strings.EqualFold(pattern, form.ID) || matches(pattern, form.Name)
}

// matches is a glob over a whole name: * is any text, ? one character,
// everything else itself. Not path.Match: names hold slashes and brackets.
func matches(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	star, resume := -1, 0
	i, j := 0, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, resume = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i, j = i+1, j+1
		case star >= 0: // let the last star take one character more
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// removesEnforced tells of the deletion of a policy that was on.
func removesEnforced(c change) bool {
	return c.action == drift.Deleted && c.key.Kind == drift.Policy && policyState(c.old.Canonical) == "enabled"
}
