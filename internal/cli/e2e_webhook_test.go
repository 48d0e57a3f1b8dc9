package cli_test

import (
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/cadrift/cadrift/internal/drift"
)

const hookSecret = "whsec_bWFya2VyLXdlYmhvb2stc2VjcmV0LTAwMDAwMDAx"

// TestWebhookAcrossTrouble changes two policies over and over while the
// receiver is down for a while and the daemon is killed twice: every event
// arrives, signed, in order per object, under one id.
func TestWebhookAcrossTrouble(t *testing.T) {
	t.Parallel()
	s := newTestStage(t, "contoso")
	hook, err := newReceiver()
	must(t, err)
	defer hook.server.Close()
	must(t, s.write("hook-secret", hookSecret+"\n"))
	must(t, s.configure("", "receivers:\n  - {name: siem, type: webhook, url: \""+hook.url+"\", secret_file: hook-secret}\n"))
	d := s.run(t)

	rename := func(n int) {
		for _, id := range []string{ca001, ca002} {
			must(t, s.admin().PatchPolicy(id, fmt.Sprintf(`{"displayName":"name %d of %s"}`, n, id)))
		}
		must(t, d.passes(2))
	}
	rename(1)
	hook.answer(http.StatusServiceUnavailable)
	rename(2)
	must(t, ignoreExit(d.end(syscall.SIGKILL)))
	d = s.run(t)
	rename(3)
	must(t, ignoreExit(d.end(syscall.SIGKILL)))
	hook.answer(http.StatusNoContent)
	d = s.run(t)
	rename(4)

	for n := 1; n <= 4; n++ {
		for _, id := range []string{ca001, ca002} {
			name := fmt.Sprintf("name %d of %s", n, id)
			_, err := hook.await(patience, func(d delivery) bool {
				return d.status == http.StatusNoContent && d.event.Object != nil && d.event.Object.Name == name
			})
			must(t, err)
		}
	}
	verifier, err := standardwebhooks.NewWebhook(hookSecret)
	must(t, err)
	ids := map[string]string{}     // event id → body
	order := map[string][]uint64{} // object → seqs as first taken
	refused := 0
	for _, d := range hook.deliveries() {
		if err := verifier.Verify(d.body, d.header); err != nil {
			t.Errorf("signature: %v", err)
		}
		if got := d.header.Get("Webhook-Id"); got != d.event.ID || got == "" {
			t.Errorf("webhook-id %q, event %q", got, d.event.ID)
		}
		if got := d.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("content type %q", got)
		}
		if before, again := ids[d.event.ID]; again && before != string(d.body) {
			t.Errorf("event %s changed between tries:\n%s\n%s", d.event.ID, before, d.body)
		}
		ids[d.event.ID] = string(d.body)
		if d.status != http.StatusNoContent {
			refused++
			continue
		}
		if key := d.event.Object.ID; !slices.Contains(order[key], d.event.Seq) {
			order[key] = append(order[key], d.event.Seq)
		}
	}
	if refused == 0 {
		t.Error("the receiver was never asked while it was down")
	}
	for id, seqs := range order {
		if len(seqs) != 4 || !slices.IsSorted(seqs) {
			t.Errorf("%s: events arrived as %v, want four in order", id, seqs)
		}
	}
	code, stdout, stderr := s.cadrift(t, "verify")
	if code != 0 {
		t.Errorf("verify: exit %d\n%s%s", code, stdout, stderr)
	}
}

// ignoreExit is for a process that was killed: its exit code is no error.
func ignoreExit(err error) error {
	if err == nil {
		return fmt.Errorf("exit 0 after SIGKILL")
	}
	return nil
}

// TestKilledBetweenCommitAndAnswer kills the daemon while a receiver holds its
// answer back: the event comes again after the start, under the same id.
func TestKilledBetweenCommitAndAnswer(t *testing.T) {
	t.Parallel()
	s, hook, d := runHooked(t)
	release := hook.hold()
	must(t, s.admin().PatchPolicy(ca001, `{"state":"disabled"}`))
	must(t, eventually(func() error {
		if hook.waiting() == 0 {
			return fmt.Errorf("no POST yet")
		}
		return nil
	}))
	must(t, ignoreExit(d.end(syscall.SIGKILL)))
	release()
	d = s.run(t)
	must(t, eventually(func() error {
		if n := len(hook.deliveries()); n < 2 {
			return fmt.Errorf("%d POSTs, want the second one", n)
		}
		return nil
	}))
	got := hook.deliveries()
	if got[0].event.ID != got[1].event.ID || got[0].event.Severity != drift.Critical {
		t.Errorf("got %s %s and %s, want one critical event twice", got[0].event.ID, got[0].event.Severity, got[1].event.ID)
	}
	time.Sleep(1500 * time.Millisecond)
	if n := len(hook.deliveries()); n != 2 {
		t.Errorf("%d POSTs, want no third after an answer", n)
	}
	must(t, d.end(syscall.SIGTERM))
}
