package judge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// location is a named location as the rules see it: a set of addresses, a set
// of areas, and whether it is trusted.
type location struct {
	ref     drift.Ref
	odd     bool
	trusted bool
	gps     bool
	ips     addresses
	// areas are countries, "unknown countries" and whatever else the location
	// stands for, each with the property it stands in.
	areas   map[string]string
	unknown map[string]string
}

const (
	rangesPath    = "/ipRanges"
	countriesPath = "/countriesAndRegions"
	nowherePath   = "/includeUnknownCountriesAndRegions"
	networkPath   = "/compliantNetworkType"
	trustedPath   = "/isTrusted"
	lookupPath    = "/countryLookupMethod"
)

// readLocation reads a canonical form; an absent location is empty and
// untrusted.
func readLocation(o *drift.Object) *location {
	l := &location{areas: map[string]string{}, unknown: map[string]string{}}
	if o == nil {
		return l
	}
	l.ref, l.odd = o.Ref, o.Odd != ""
	var root map[string]any
	if err := json.Unmarshal(o.Canonical, &root); err != nil {
		l.odd = true
		return l
	}
	for name, v := range root {
		if !l.take("/"+escape(name), v) {
			l.unknown["/"+escape(name)] = compact(v)
		}
	}
	return l
}

func (l *location) take(at string, v any) (known bool) {
	switch at {
	case "/displayName", "/@odata.type": // the members say what it is
		return true
	case trustedPath:
		l.trusted, known = v.(bool)
	case nowherePath:
		set, ok := v.(bool)
		if set {
			l.areas["unknown countries"] = at
		}
		return ok
	case networkPath:
		l.areas["network "+compact(v)] = at
		return true
	case lookupPath:
		method, ok := v.(string)
		l.gps = method == "authenticatorAppGps"
		return ok && (l.gps || method == "clientIpAddress")
	case countriesPath:
		countries, ok := texts(v)
		for _, c := range countries {
			l.areas[c] = at
		}
		return ok
	case rangesPath:
		return l.takeRanges(v)
	}
	return known
}

// takeRanges reads the ranges. One that is no range this version knows counts
// as an area of its own: it came or it went.
func (l *location) takeRanges(v any) bool {
	list, ok := v.([]any)
	var spans []span
	for _, item := range list {
		f, _ := item.(map[string]any)
		if s, ok := readSpan(f); ok {
			spans = append(spans, s)
		} else {
			l.areas["range "+compact(item)] = rangesPath
		}
	}
	l.ips = union(spans)
	return ok
}

// spread is what is in l and not in o: where it grew, if l is the newer form.
type spread struct {
	ips   addresses
	areas []string // the properties in which areas came
}

func (l *location) beyond(o *location) spread {
	s := spread{ips: l.ips.minus(o.ips)}
	for area, path := range l.areas {
		if _, there := o.areas[area]; !there && !slices.Contains(s.areas, path) {
			s.areas = append(s.areas, path)
		}
	}
	return s
}

// paths are the properties in which the location grew or shrank.
func (s spread) paths() []string {
	if len(s.ips) > 0 && !slices.Contains(s.areas, rangesPath) {
		return append(s.areas, rangesPath)
	}
	return s.areas
}

// usage is how acting policies use a location.
type usage struct {
	excluding, including []*policy // by id, or as trusted while it is
	exceptTrusted        []*policy // exclude all trusted locations
	onlyTrusted          []*policy // include all trusted locations
}

func (w *World) usage(id string, trusted bool) usage {
	names := func(p *policy, elements []element) bool {
		return slices.ContainsFunc(elements, func(e element) bool {
			return e.kind == site && e.id == id || trusted && e.kind == trustedLocations
		})
	}
	tokens := func(elements []element) bool {
		return slices.ContainsFunc(elements, func(e element) bool { return e.kind == trustedLocations })
	}
	return usage{
		excluding:     w.users(func(p *policy) bool { return names(p, p.reach[locations].exclude) }),
		including:     w.users(func(p *policy) bool { return names(p, p.reach[locations].include) }),
		exceptTrusted: w.users(func(p *policy) bool { return tokens(p.reach[locations].exclude) }),
		onlyTrusted:   w.users(func(p *policy) bool { return tokens(p.reach[locations].include) }),
	}
}

// judgeLocation judges a location by the policies that exclude it (E) and those
// that include it by id or as a trusted one (N):
//
//	change           E  N  neither
//	grew             W  S  W when trusted, else neutral
//	shrank, deleted  S  W  S when trusted, else neutral
//	became trusted   W, and S if a policy includes the trusted locations
//	lost trust       the swap
//	lookup GPS → IP  W; IP → GPS: S
func (w *World) judgeLocation(c subject) outcome {
	old, new := readLocation(c.Old), readLocation(c.New)
	id := fold(c.ref().ID)
	before, after := w.usage(id, old.trusted), w.usage(id, new.trusted)
	var o outcome
	grown := new.beyond(old)
	for _, path := range grown.paths() {
		o.add(growth(path, after, new.trusted, grown))
	}
	shrunk := old.beyond(new)
	for _, path := range shrunk.paths() {
		o.add(shrinkage(path, before, old.trusted, shrunk))
	}
	if old.trusted != new.trusted {
		o.add(trust(new.trusted, after))
	}
	used := len(before.excluding)+len(before.including)+len(after.excluding)+len(after.including) > 0
	if used && old.gps != new.gps && c.Old != nil && c.New != nil {
		e := effect{path: lookupPath, dir: drift.Weaker, severity: drift.Medium}
		if new.gps {
			e.dir = drift.Stronger
		}
		o.add(e)
	}
	if used || old.trusted || new.trusted {
		o.addUnknown(old.unknown, new.unknown)
	}
	o.settle()
	if old.odd || new.odd {
		o.dir, o.severity = drift.Mixed, max(o.severity, drift.Medium)
	}
	o.affects = refs(before.excluding, before.including, after.excluding, after.including)
	o.tail = append(o.tail, usageText(merge(before.excluding, after.excluding), merge(before.including, after.including)))
	return o
}

func (o *outcome) add(e effect) {
	if e.dir != drift.Neutral {
		o.effects = append(o.effects, e)
	}
}

// growth judges addresses or areas that a location gained.
func growth(path string, u usage, trusted bool, grown spread) effect {
	e := effect{path: path, severity: drift.High}
	if len(u.excluding) > 0 {
		e.dir = e.dir.Join(drift.Weaker)
	}
	if len(u.including) > 0 {
		e.dir = e.dir.Join(drift.Stronger)
	}
	if e.dir == drift.Neutral && trusted {
		e.dir, e.severity = drift.Weaker, drift.Medium
	}
	if path == rangesPath {
		e.note = grown.ips.count("more")
		if e.dir.Has(drift.Weaker) && grown.ips.vast() {
			e.severity = drift.Critical
		}
	}
	return e
}

// shrinkage judges addresses or areas that a location lost.
func shrinkage(path string, u usage, trusted bool, shrunk spread) effect {
	e := effect{path: path, severity: drift.Medium}
	if path == rangesPath {
		e.note = shrunk.ips.count("fewer")
	}
	if len(u.excluding) > 0 {
		e.dir = e.dir.Join(drift.Stronger)
	}
	if len(u.including) > 0 {
		e.dir, e.severity = e.dir.Join(drift.Weaker), drift.High
	}
	if e.dir == drift.Neutral && trusted {
		e.dir = drift.Stronger
	}
	return e
}

// trust judges a location that became trusted, or stopped being so. Trust also
// lowers sign-in risk.
func trust(gained bool, u usage) effect {
	e := effect{path: trustedPath, dir: drift.Weaker, severity: drift.Medium, note: "also feeds sign-in risk"}
	if len(u.onlyTrusted) > 0 {
		e.dir = drift.Mixed
	}
	switch {
	case gained && len(u.exceptTrusted) > 0:
		e.severity = drift.High
	case !gained:
		if e.dir = e.dir.Swap(); e.dir.Has(drift.Weaker) {
			e.severity = drift.High
		}
	}
	return e
}

// addUnknown tells properties that this version does not know.
func (o *outcome) addUnknown(old, new map[string]string) {
	for path, value := range old {
		if new[path] != value {
			o.add(effect{path: path, dir: drift.Mixed, severity: drift.Medium, unseen: true})
		}
	}
	for path := range new {
		if _, there := old[path]; !there {
			o.add(effect{path: path, dir: drift.Mixed, severity: drift.Medium, unseen: true})
		}
	}
}

// usageText says who uses a location or group, for the end of a summary.
func usageText(excluding, including []*policy) string {
	var parts []string
	if len(excluding) > 0 {
		parts = append(parts, "excluded by "+policiesText(excluding))
	}
	if len(including) > 0 {
		parts = append(parts, "included by "+policiesText(including))
	}
	if len(parts) == 0 {
		return unusedText
	}
	return strings.Join(parts, ", ")
}

const unusedText = "used by no enforced policy"

func policiesText(users []*policy) string {
	if len(users) == 1 {
		return "enforced policy " + named(users[0].ref)
	}
	return fmt.Sprintf("%d enforced policies", len(users))
}

func merge(a, b []*policy) []*policy {
	out := slices.Clone(a)
	for _, p := range b {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}
