package opstest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrift/cadrift/internal/drift"
)

// A backup of the running daemon becomes the store of another state directory:
// it verifies, the daemon goes on from it, and what changed in between is told
// once. Heads that were seen outside show how far it reaches.
func TestRestore(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	d := r.start(nil)
	eventually(t, 20*time.Second, "a first pass", d.ready)
	r.seen(d, "a", 0, "disabled")
	r.cli("backup", filepath.Join(r.dir, "backup.db"))
	inside := head(r, "a")
	if out := r.cli("verify", filepath.Join(r.dir, "backup.db"), "--head", inside); !strings.Contains(out, "ok") {
		t.Errorf("verify with the head of an alert from before the backup: %s", out)
	}

	// After the backup: one policy twice, one once, one made, one deleted.
	r.seen(d, "a", 1, "disabled")
	r.seen(d, "a", 1, "enabledForReportingButNotEnforced")
	r.seen(d, "a", 2, "disabled")
	outside := head(r, "a")
	made := r.policy(0, "CA900")
	ids := r.tenants[0].IDs(drift.Policy)
	changed := []string{ids[1], ids[2]}
	must(t, r.admin(0).DeletePolicy(ids[3]))
	eventually(t, 20*time.Second, "all told", func() bool { return changes(r, "a") == 6 })
	if out, err := r.command("verify", filepath.Join(r.dir, "backup.db"), "--head", outside).CombinedOutput(); err == nil || !strings.Contains(string(out), "rolled back") {
		t.Errorf("verify with a head from after the backup: %v, %s", err, out)
	}
	if _, err := d.stop(syscall.SIGTERM, 25*time.Second); err != nil {
		t.Fatal(err)
	}

	text, err := os.ReadFile(filepath.Join(r.dir, "backup.db"))
	must(t, err)
	r.file("restored/cadrift.db", string(text))
	r.config["state_dir"] = "restored"
	r.write()
	before := len(r.sink.events("a"))
	d = r.start(nil)
	eventually(t, 20*time.Second, "the changes of in between told again", func() bool { return len(r.sink.events("a")) >= before+4 })
	time.Sleep(2500 * time.Millisecond) // more passes, which tell nothing more
	got := map[string]drift.Action{}
	for _, e := range r.sink.events("a")[before:] {
		if e.Type != drift.DriftChanged || got[e.Object.ID] != "" {
			t.Errorf("told %s of %v: not a change, or twice", e.Type, e.Object)
			continue
		}
		got[e.Object.ID] = e.Action
	}
	want := map[string]drift.Action{changed[0]: drift.Updated, changed[1]: drift.Updated, made: drift.Created, ids[3]: drift.Deleted}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told after the restore (-want +got):\n%s", diff)
	}
	r.seen(d, "a", 0, "enabled")
	verified(t, r, d)
	r.cli("verify", "--head", inside)
}

// head is the head of the chain as the newest event that a receiver took shows
// it.
func head(r *rig, receiver string) string {
	r.t.Helper()
	events := r.sink.events(receiver)
	if len(events) == 0 {
		r.t.Fatalf("%s took nothing", receiver)
	}
	e := events[len(events)-1]
	return fmt.Sprintf("%d:%s", e.Seq, e.Chain)
}
