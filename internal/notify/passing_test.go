package notify

import (
	"regexp"
	"testing"
	"time"
)

func TestPassingIDIsAULIDOfItsTime(t *testing.T) {
	at := time.UnixMilli(1469918176385) // the example of the ULID specification: 01ARYZ6S41…
	got := PassingID("contoso", at)
	if want := regexp.MustCompile(`^contoso-r-01ARYZ6S41[0-9A-HJKMNP-TV-Z]{16}$`); !want.MatchString(got) {
		t.Errorf("got %s, want %s", got, want)
	}
	if again := PassingID("contoso", at); again == got {
		t.Errorf("got %s twice", got)
	}
	if later := PassingID("contoso", at.Add(time.Millisecond)); later <= got {
		t.Errorf("got %s, which sorts before the earlier %s", later, got)
	}
}
