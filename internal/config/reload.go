package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// PendingRestart names the keys that differ between the configuration that
// the process started with and a newly loaded one, and that only a restart
// takes over: the state directory, the listeners, and the list of the
// emergency-access guard, which nobody shall be able to change unseen.
func PendingRestart(running, loaded *Config) []string {
	var keys []string
	for _, held := range []struct {
		key     string
		changed bool
	}{
		{"state_dir", running.StateDir != loaded.StateDir},
		{"control_socket", running.socketApart() != loaded.socketApart()},
		{"web.listen", running.Web.Listen != loaded.Web.Listen},
		{"web.health_listen", running.Web.HealthListen != loaded.Web.HealthListen},
		{"web.config_file", running.Web.ConfigFile != loaded.Web.ConfigFile},
		{"web.allow_plaintext", running.Web.AllowPlaintext != loaded.Web.AllowPlaintext},
	} {
		if held.changed {
			keys = append(keys, held.key)
		}
	}
	for i := range loaded.Tenants {
		t := &loaded.Tenants[i]
		if !t.EmergencyAccess.equal(armed(running, t.TenantID)) {
			keys = append(keys, "tenants."+t.Name+".emergency_access")
		}
	}
	return keys
}

// Merge is the loaded configuration with the running one's values of all that
// waits for a restart. Neither argument is changed.
func Merge(running, loaded *Config) *Config {
	merged := *loaded
	merged.StateDir, merged.ControlSocket = running.StateDir, running.ControlSocket
	merged.Web = running.Web
	merged.Web.ExternalURL = loaded.Web.ExternalURL
	merged.Tenants = slices.Clone(loaded.Tenants)
	for i := range merged.Tenants {
		t := &merged.Tenants[i]
		t.EmergencyAccess = armed(running, t.TenantID)
	}
	return &merged
}

// socketApart is the control socket when it is not where the state directory
// puts it: a moved state directory is one change, not two.
func (c *Config) socketApart() string {
	if c.ControlSocket == filepath.Join(c.StateDir, socketName) {
		return ""
	}
	return c.ControlSocket
}

// armed is the list that a directory's guard was started with. The directory's
// id decides, not its name: a new id under an old name is another directory.
func armed(c *Config, tenantID string) *EmergencyAccess {
	for i := range c.Tenants {
		if c.Tenants[i].TenantID == tenantID {
			return c.Tenants[i].EmergencyAccess
		}
	}
	return nil
}

// equal compares two lists as sets of ids.
func (e *EmergencyAccess) equal(o *EmergencyAccess) bool {
	if e == nil || o == nil {
		return e == o
	}
	return reflect.DeepEqual(e.ordered(), o.ordered())
}

func (e *EmergencyAccess) ordered() EmergencyAccess {
	c := *e
	c.Users = slices.Sorted(slices.Values(e.Users))
	c.Groups = slices.Sorted(slices.Values(e.Groups))
	c.ExemptPolicies = slices.SortedFunc(slices.Values(e.ExemptPolicies), func(a, b Exemption) int {
		return strings.Compare(a.ID, b.ID)
	})
	return c
}
