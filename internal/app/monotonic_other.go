//go:build !linux

package app

import "time"

// monotonic matters to systemd only.
func monotonic() time.Duration { return 0 }
