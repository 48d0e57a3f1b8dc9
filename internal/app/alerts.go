package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/poll"
)

// App is the api's Alerts as well.
var _ api.Alerts = (*App)(nil)

// Acknowledge stops the reminders of one open drift.
func (a *App) Acknowledge(_ context.Context, tenant string, object drift.Key, ack drift.Ack) (drift.Finding, error) {
	w, err := a.watcherOf(tenant)
	if err != nil {
		return drift.Finding{}, err
	}
	f, err := w.Acknowledge(object, ack)
	return f, refusal(err)
}

// Expect announces a change.
func (a *App) Expect(_ context.Context, tenant string, x drift.Expectation) (drift.Expectation, error) {
	w, err := a.watcherOf(tenant)
	if err != nil {
		return x, err
	}
	x, err = w.Expect(x.Pattern, x.Until, x.Reason, x.By)
	return x, refusal(err)
}

// Withdraw ends an announcement.
func (a *App) Withdraw(_ context.Context, tenant, id string) (drift.Expectation, error) {
	w, err := a.watcherOf(tenant)
	if err != nil {
		return drift.Expectation{}, err
	}
	return w.Withdraw(id)
}

// Expectations lists what is announced.
func (a *App) Expectations(_ context.Context, tenant string) ([]drift.Expectation, error) {
	w, err := a.watcherOf(tenant)
	if err != nil {
		return nil, err
	}
	return w.Expectations(), nil
}

// watcherOf is the one tenant's watcher.
func (a *App) watcherOf(tenant string) (*poll.Watcher, error) {
	if a.store == nil {
		return nil, api.Refuse("nothing has been recorded yet: there is no store", "start cadrift run")
	}
	units, err := a.units(tenant)
	if err != nil {
		return nil, err
	}
	return units[0].watcher, nil
}

// refusal tells the api what poll refuses.
func refusal(err error) error {
	if errors.Is(err, poll.ErrRefused) {
		return api.Refuse(err.Error(), "")
	}
	return err
}

// TestReceivers sends one message of each severity, at the pace that the
// receiver's rate allows, and gives up on a receiver that does not take one:
// the next would meet the same answer.
func (a *App) TestReceivers(ctx context.Context, receiver string) (api.Tested, error) {
	s := a.setup.Load()
	var chosen []*receiverUnit
	for _, r := range s.receivers {
		if receiver == "" || r.Name == receiver {
			chosen = append(chosen, r)
		}
	}
	if len(chosen) == 0 {
		return api.Tested{}, fmt.Errorf("receiver %q: %w", receiver, drift.ErrNotFound)
	}
	out := api.Tested{Receivers: make([]api.TestedReceiver, len(chosen))}
	var group sync.WaitGroup
	for i, r := range chosen {
		group.Go(func() { out.Receivers[i] = r.test(ctx, s.config, time.Now().UTC()) })
	}
	group.Wait()
	return out, nil
}

// test sends the test messages of one receiver.
func (r *receiverUnit) test(ctx context.Context, cfg *config.Config, now time.Time) api.TestedReceiver {
	out := api.TestedReceiver{Name: r.Name, Type: string(r.Type), OK: true, Note: testNote(r.Type)}
	severities := drift.Severities()
	slices.Sort(severities)
	for i, severity := range severities {
		if i > 0 && !pause(ctx, r.Sink.Limits().Spacing) {
			out.OK = false
			break
		}
		e := testEvent(r.tenant(cfg), severity, i+1, len(severities), now)
		answer := r.once(ctx, &e)
		out.Messages = append(out.Messages, api.Attempt{
			ID: e.ID, Severity: severity, Result: answer.Result.String(), Reason: answer.Reason, Answer: answer.Answer,
		})
		if answer.Result != notify.Delivered {
			out.OK = false
			break
		}
	}
	return out
}

// once sends an event past the queue; a command without a daemon has no
// worker.
func (r *receiverUnit) once(ctx context.Context, e *drift.Event) notify.Outcome {
	if r.worker != nil {
		return r.worker.Direct(ctx, e)
	}
	return notify.Once(ctx, r.Sink, e)
}

// tenant is the one that messages without a tenant of their own name.
func (r *Receiver) tenant(cfg *config.Config) config.Tenant {
	for _, t := range cfg.Tenants {
		if len(r.Tenants) == 0 || slices.Contains(r.Tenants, t.Name) {
			return t
		}
	}
	return config.Tenant{}
}

func testEvent(t config.Tenant, severity drift.Severity, n, of int, now time.Time) drift.Event {
	return drift.Event{
		ID: notify.PassingID(t.Name, now), Time: now, Type: drift.TestEvent,
		Tenant: t.Name, TenantID: t.TenantID, Severity: severity,
		Summary: fmt.Sprintf("test message %d of %d from cadrift, nothing happened: this is how %s looks here", n, of, severity),
	}
}

// testNote is what the answers of a kind of receiver do not say.
func testNote(kind config.ReceiverType) string {
	switch kind {
	case config.Teams:
		return "Teams answers 202 before the flow runs: it is not delivery. Look at the channel for five messages; " +
			"if they are missing, open the flow's run history in Power Automate (turned off after 90 days without a run, " +
			"owner's account gone, channel deleted, \"couldn't be displayed\")."
	case config.Slack:
		return "Slack's ok means that the message is in the channel of the webhook: look whether that is the channel you mean."
	}
	return "A 2xx means that the receiver took the event; whether it checked the signature is seen on its side."
}

// pause waits, false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
