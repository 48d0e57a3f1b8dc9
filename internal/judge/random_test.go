package judge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cadrift/cadrift/internal/canon"
	"github.com/cadrift/cadrift/internal/diff"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/judge"
)

// runs is how often a random test tries: everyday, or the full count when
// CADRIFT_LONG is set.
func runs(everyday, full int) int {
	if os.Getenv("CADRIFT_LONG") != "" {
		return full
	}
	return everyday
}

// seeded is a random source that CADRIFT_SEED repeats.
func seeded(t *testing.T, fallback uint64) *rand.Rand {
	t.Helper()
	seed := fallback
	if s := os.Getenv("CADRIFT_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("CADRIFT_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 3))
}

// published is one object of the corpus.
type published struct {
	path string
	kind drift.Kind
	body tree
	read drift.Object
}

const publishedID = "ca000000-0000-4000-8000-0000000000fe"

// publishedObjects are the policies and locations of the corpus that package
// canon understands, as bodies and as read.
func publishedObjects(t *testing.T) []published {
	t.Helper()
	var out []published
	for _, sub := range []string{"policies", "named-locations", "snapshots"} {
		err := filepath.WalkDir(corpus(t, sub), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
				return err
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var body tree
			dec := json.NewDecoder(bytes.NewReader(raw))
			dec.UseNumber()
			if dec.Decode(&body) != nil {
				return nil
			}
			if details, ok := body["details"].(tree); ok {
				body = details
			}
			p := published{path: path, kind: drift.Policy, body: body}
			switch {
			case body["ipRanges"] != nil || body["countriesAndRegions"] != nil:
				p.kind = drift.NamedLocation
			case body["conditions"] == nil:
				return nil
			}
			body["id"] = publishedID
			if p.read, err = canon.Object(p.kind, encode(body)); err != nil || p.read.Odd != "" {
				return err
			}
			out = append(out, p)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 200 {
		t.Fatalf("only %d objects: the corpus was not read", len(out))
	}
	return out
}

// TestRandomRepresentations: however Graph may write one stored state, there is
// no change of it.
func TestRandomRepresentations(t *testing.T) {
	all := publishedObjects(t)
	n, rnd := runs(500, 10000), seeded(t, 20261122)
	other := 0
	for range n {
		p := all[rnd.IntN(len(all))]
		raw := rewriter{rnd}.object(p.body, "", p.kind == drift.NamedLocation)
		o, err := canon.Object(p.kind, []byte(raw))
		if err != nil {
			t.Fatalf("%s: %v\n%s", p.path, err, raw)
		}
		changes, patch, err := diff.Objects(p.read.Canonical, o.Canonical)
		if err != nil || len(changes) > 0 || len(patch) > 0 || o.Digest != p.read.Digest {
			t.Fatalf("%s: %d changes, odd %q, %v\n%s\n%s", p.path, len(changes), o.Odd, err, raw, show(word(p, o, changes)))
		}
		if raw != string(encode(p.body)) {
			other++
		}
	}
	if other < n*9/10 {
		t.Errorf("only %d of %d bodies were written in another way", other, n)
	}
	t.Logf("%d representations of %d published objects, %d other than stored: no change", n, len(all), other)
}

func word(p published, o drift.Object, changes []drift.Change) drift.Verdict {
	return world(judge.Emergency{}, nil).Judge(judge.Case{Old: &p.read, New: &o, Changes: changes})
}

// rewriter writes a body in another of the ways in which Graph writes it.
type rewriter struct{ *rand.Rand }

func (r rewriter) coin() bool { return r.IntN(3) == 0 }

// idLists are the lists in which Graph's own writing of GUIDs varies.
var idLists = []string{
	"includeUsers", "excludeUsers", "includeGroups", "excludeGroups", "includeRoles", "excludeRoles",
	"includeApplications", "excludeApplications", "includeLocations", "excludeLocations", "termsOfUse",
}

func (r rewriter) object(o tree, name string, location bool) string {
	var parts []string
	add := func(name, text string) { parts = append(parts, string(encode(name))+r.space()+":"+r.space()+text) }
	for _, k := range slices.Sorted(maps.Keys(o)) {
		v := o[k]
		switch {
		case prune(v) == nil && r.coin():
			continue
		case prune(v) == nil:
			v = []any{nil, []any{}, tree{}}[r.IntN(3)]
		case k == "disableResilienceDefaults" && v == false && r.coin():
			v = nil
		case strings.HasSuffix(k, "DateTime") && r.coin():
			v = "2031-01-01T00:00:00.1234567Z"
		case name == "authenticationStrength" && k != "id" && r.coin():
			continue // the server expands what it likes
		}
		add(k, r.value(v, k, location))
		if note := k + "@odata.context"; !strings.Contains(k, "@") {
			r.maybe(add, o, note, `"https://graph.example/$metadata#x"`)
		}
	}
	switch name {
	case "":
		r.maybe(add, o, "@odata.etag", `"W/\"1\""`)
		r.maybe(add, o, "templateId", `"`+publishedID+`"`)
		r.maybe(add, o, "deletedDateTime", "null")
	case "conditions":
		r.maybe(add, o, "insiderRiskLevels", "null")
		r.maybe(add, o, "devices", `{"deviceFilter":null}`)
		r.maybe(add, o, "platforms", `{"includePlatforms":[],"excludePlatforms":[]}`)
	case "sessionControls":
		r.maybe(add, o, "persistentBrowser", `{"isEnabled":false,"mode":"never"}`)
		r.maybe(add, o, "signInFrequency", `{"isEnabled":false,"value":4,"type":"hours"}`)
		r.maybe(add, o, "disableResilienceDefaults", "false")
	case "users":
		r.maybe(add, o, "includeGuestsOrExternalUsers", "null")
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return "{" + r.space() + strings.Join(parts, r.space()+",") + "}"
}

// maybe adds a member that says nothing, where there is none of that name.
func (r rewriter) maybe(add func(name, text string), o tree, name, text string) {
	if _, there := o[name]; !there && r.coin() {
		add(name, text)
	}
}

func (r rewriter) value(v any, name string, location bool) string {
	switch v := v.(type) {
	case tree:
		return r.object(v, name, location)
	case []any:
		return r.list(v, name, location)
	case string:
		return r.text(v, name, location)
	}
	return string(encode(v))
}

func (r rewriter) list(l []any, name string, location bool) string {
	flags := []string{"guestOrExternalUserTypes", "transferMethods", "insiderRiskLevels", "agentIdRiskLevels"}
	if slices.Contains(flags, name) && r.coin() {
		var words []string
		for _, v := range l {
			words = append(words, fmt.Sprint(v))
		}
		r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		return string(encode(strings.Join(words, ",")))
	}
	var parts []string
	for _, v := range l {
		parts = append(parts, r.value(v, name, location))
		if r.coin() {
			parts = append(parts, r.value(v, name, location))
		}
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return "[" + strings.Join(parts, ","+r.space()) + "]"
}

func (r rewriter) text(s, name string, location bool) string {
	switch {
	case location && name == "cidrAddress" && r.coin():
		s = r.otherHost(s)
	case slices.Contains(idLists, name) && len(s) == 36 && strings.Count(s, "-") == 4 && r.coin():
		s = strings.ToUpper(s)
	}
	if s != "" && s[0] < 0x80 && r.coin() {
		return fmt.Sprintf(`"\u%04x`, s[0]) + string(encode(s[1:]))[1:]
	}
	return string(encode(s))
}

// otherHost writes a prefix by another address of it.
func (r rewriter) otherHost(cidr string) string {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || p.Bits() == p.Addr().BitLen() {
		return cidr
	}
	a := p.Masked().Addr().AsSlice()
	a[len(a)-1] |= 1
	addr, _ := netip.AddrFromSlice(a)
	return netip.PrefixFrom(addr, p.Bits()).String()
}

func (r rewriter) space() string { return []string{"", "", " ", "\n  "}[r.IntN(4)] }
