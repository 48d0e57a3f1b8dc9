package app

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// tell sends the supervisor a message of sd_notify's protocol. Without a
// supervisor, which is without NOTIFY_SOCKET, it does nothing.
func (a *App) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		a.log.Warn("supervisor not told", "state", state, "err", err)
	}
}

// ready to be used: every listener is open and every part was started. Whether
// a tenant could be read is /readyz, not this.
func (a *App) tellReady(remark string) {
	s := a.setup.Load()
	a.tell(fmt.Sprintf("%s\nSTATUS=Watching %d tenants, telling %d receivers%s", daemon.SdNotifyReady, len(s.tenants), len(s.receivers), remark))
}

// reloadUnderSupervision frames a reload so that `systemctl reload` waits for
// its end and `systemctl status` tells it.
func (a *App) reloadUnderSupervision(ctx context.Context) error {
	a.tell(daemon.SdNotifyReloading + "\n" + fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()))
	err := a.Reload(ctx)
	if err != nil {
		a.tellReady("; the changed configuration was refused")
	} else {
		a.tellReady("")
	}
	return err
}

// watchdog feeds the supervisor's watchdog while every watcher makes progress.
// When one hangs it says so once and stops feeding: the supervisor kills and
// starts anew.
func (a *App) watchdog(ctx context.Context) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read WATCHDOG_USEC: %w", err)
	}
	if interval == 0 {
		return nil
	}
	tick := time.NewTicker(interval / 3)
	defer tick.Stop()
	told := ""
	for {
		if name := a.stuck(time.Now()); name == "" {
			a.tell(daemon.SdNotifyWatchdog)
			told = ""
		} else if name != told {
			a.log.Error("no progress, leaving the watchdog hungry", "tenant", name)
			told = name
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// stuck names a tenant whose loop hangs.
func (a *App) stuck(now time.Time) string {
	for _, u := range a.setup.Load().tenants {
		if u.watcher.Stuck(now) {
			return u.Name
		}
	}
	return ""
}
