package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// guid is a random id: what fills real policies and packs worst.
func guid(r *rand.Rand) string {
	b := make([]byte, 16)
	for i := range b {
		b[i] = byte(r.UintN(256))
	}
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// realistic makes a policy with a raw body of about 4 KB, mostly ids of users
// and groups, and its canonical form.
func realistic(r *rand.Rand, kind drift.Kind, id string, ids []string) drift.Object {
	body := map[string]any{
		"id": id, "displayName": "CA for " + id, "state": "enabled", "createdDateTime": noon, "modifiedDateTime": noon,
		"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#identity/conditionalAccess/policies/$entity",
		"conditions": map[string]any{
			"users": map[string]any{
				"includeUsers": []string{"All"}, "excludeUsers": ids[:len(ids)/2], "excludeGroups": ids[len(ids)/2:],
				"includeRoles": []string{}, "excludeRoles": []string{}, "includeGuestsOrExternalUsers": nil,
			},
			"applications":   map[string]any{"includeApplications": []string{"All"}, "excludeApplications": []string{guid(r)}, "includeUserActions": []string{}},
			"clientAppTypes": []string{"all"}, "platforms": nil, "locations": nil, "signInRiskLevels": []string{},
		},
		"grantControls":   map[string]any{"operator": "OR", "builtInControls": []string{"mfa"}, "termsOfUse": []string{}},
		"sessionControls": nil,
	}
	raw, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		panic(err)
	}
	for _, k := range []string{"id", "createdDateTime", "modifiedDateTime", "@odata.context", "sessionControls"} {
		delete(body, k)
	}
	canonical, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return drift.Object{
		Ref: drift.Ref{Kind: kind, ID: id, Name: "CA for " + id}, Raw: raw, Canonical: canonical,
		Digest: sha256.Sum256(canonical), Created: noon, Modified: noon,
	}
}

// year fills a store with policies and locations and then changes of policies,
// each with an event, a finding and two receivers.
func year(t testing.TB, s *Store, changes int) {
	r := rand.New(rand.NewPCG(1, 2))
	const policies, locations, members = 240, 195, 62
	var all []drift.Object
	ids := make([][]string, policies+locations)
	for i := range ids {
		n := members
		kind := drift.Policy
		if i >= policies {
			kind, n = drift.NamedLocation, 8
		}
		for range n {
			ids[i] = append(ids[i], guid(r))
		}
		all = append(all, realistic(r, kind, guid(r), ids[i]))
	}
	mustCommit(t, s, drift.Commit{Put: all, Seen: []drift.Kind{drift.Policy, drift.NamedLocation}, Baseline: &drift.Baseline{
		Revision: 1, Pinned: noon, Kinds: []drift.Kind{drift.Policy, drift.NamedLocation}, Objects: byKey(all...),
	}})
	for n := range changes {
		i := r.IntN(policies)
		ids[i][r.IntN(members)] = guid(r)
		at := noon.Add(time.Duration(n) * 144 * time.Minute)
		o := realistic(r, drift.Policy, all[i].ID, ids[i])
		event := changed(o, at, drift.High, "oncall", "siem")
		event.BaselinePatch = event.Patch
		done := mustCommit(t, s, drift.Commit{
			Time: at, Put: []drift.Object{o}, Events: []drift.NewEvent{event}, LastGood: at,
			Findings: []drift.Finding{{Object: o.Ref, Since: at, Summary: event.Summary, Changes: event.Changes, BaselinePatch: event.Patch}},
		})
		for _, receiver := range event.Receivers {
			if err := s.Delivered(receiver, []string{done.Events[0].ID}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A year of ten changes a day stays far below 50 MB.
func TestYearStaysSmall(t *testing.T) {
	changes := 120
	if os.Getenv("CADRIFT_LONG") != "" {
		changes = 3650
	}
	s := mustOpen(t)
	if got := s.Size(); got > 1<<20 {
		t.Errorf("a fresh store has %d bytes", got)
	}
	s.db.NoSync = true // thousands of syncs are the disk's time, not ours
	start := time.Now()
	year(t, s, changes)
	filled := time.Since(start)
	var copied bytes.Buffer
	compacted, err := s.Backup(&copied)
	if err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	if _, err := s.Verify(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d changes in %v: %.1f MB, compacted %.1f MB, verified in %v", changes, filled.Round(time.Millisecond),
		float64(s.Size())/1e6, float64(compacted)/1e6, time.Since(start).Round(time.Millisecond))
	// The start costs the same in a month and in a year.
	if limit := int64(4<<20 + changes*8<<10); s.Size() > limit || compacted > limit || compacted > 40<<20 {
		t.Errorf("got %d bytes, compacted %d, want at most %d", s.Size(), compacted, limit)
	}
	start = time.Now()
	if _, _, err := s.Snapshot(contosoID, uint64(changes/2)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("rebuilding a revision took %v", took)
	}
}

func BenchmarkCommitOneChange(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "cadrift.db"), Options{Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Bind("contoso", contosoID); err != nil {
		b.Fatal(err)
	}
	year(b, s, 1)
	r := rand.New(rand.NewPCG(3, 4))
	ids := []string{guid(r), guid(r)}
	b.ResetTimer()
	for i := range b.N {
		ids[0] = guid(r)
		o := realistic(r, drift.Policy, "one", ids)
		at := noon.Add(time.Duration(i) * time.Minute)
		mustCommit(b, s, drift.Commit{Time: at, Put: []drift.Object{o}, Events: []drift.NewEvent{changed(o, at, drift.Low)}})
	}
}

func BenchmarkLoad(b *testing.B) {
	s, err := Open(filepath.Join(b.TempDir(), "cadrift.db"), Options{Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Bind("contoso", contosoID); err != nil {
		b.Fatal(err)
	}
	year(b, s, 1)
	for b.Loop() {
		if got := len(mustLoad(b, s, contosoID).Objects); got != 435 {
			b.Fatal(fmt.Sprint(got, " objects"))
		}
	}
}
