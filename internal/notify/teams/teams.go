// Package teams sends alerts to a Microsoft Teams channel through a Workflows
// webhook.
//
// It owns the card (one Adaptive Card 1.4 in the message envelope), its
// budget, and the meaning of the answers. Names that an attacker can choose go
// into TextRuns only, which Teams does not read as Markdown; TextBlocks are
// not used at all. Version 1.4, because the action that posts the card shows
// "couldn't be displayed" for 1.5, silently for us.
//
// A 202 says that the flow was started, not that anybody can see the card: a
// card that is too large, a deleted channel or a sleeping flow look the same
// from here.
package teams

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/words"
)

// Sink is one Teams channel.
type Sink struct {
	post  *notify.Poster
	links words.Links
}

var _ notify.Sink = (*Sink)(nil)

// New makes the sink of one Workflows webhook.
func New(post *notify.Poster, links words.Links) *Sink { return &Sink{post, links} }

// Limits keep below what flows and the Teams connector take.
func (s *Sink) Limits() notify.Limits {
	return notify.Limits{Events: shownEvents, PerMinute: 5, Spacing: 2 * time.Second}
}

// Send makes one try.
func (s *Sink) Send(ctx context.Context, m *notify.Message) notify.Outcome {
	body, err := compose(m, s.links)
	if err != nil {
		return notify.Outcome{Result: notify.Unfit, Reason: err.Error()}
	}
	u, err := s.post.Address()
	if err != nil {
		return notify.NoAnswer(err)
	}
	if _, err := CheckAddress(u); err != nil {
		return notify.Outcome{Result: notify.Refused, Reason: err.Error()}
	}
	answer, err := s.post.Post(ctx, u, body, nil)
	if err != nil {
		return notify.NoAnswer(err)
	}
	return judge(answer)
}

// CheckAddress refuses what cannot work any more, and warns of what probably
// does not. Unknown hosts are let pass: they have moved three times.
func CheckAddress(u *url.URL) (warning string, err error) {
	host := strings.ToLower(u.Hostname())
	switch {
	case host == "outlook.office.com" || strings.HasSuffix(host, ".webhook.office.com"):
		return "", errors.New("this is the address of an Office 365 connector, which Microsoft has retired: " +
			"create a workflow (Post to a channel when a webhook request is received) and use its address")
	case u.Scheme == "https" && u.Query().Get("sig") == "":
		return "the address has no sig=: the flow's trigger is probably limited to users of the tenant and will answer 401; " +
			"set it to \"Anyone\"", nil
	}
	return "", nil
}

// errorCode finds the code in the error body of Logic Apps and Power Automate.
var errorCode = regexp.MustCompile(`"code"\s*:\s*"([A-Za-z]{2,60})"`)

// judge reads the answer of a flow.
//
//	status          body                          result
//	2xx             "… returned HTTP error NNN"   as NNN says: the old connector hid its errors so
//	2xx             anything                      delivered
//	400             TriggerInputSchemaMismatch…   unfit: once more as the smallest card
//	413                                           unfit: too large
//	408, 429, 5xx                                 later
//	401, 403, 404   WorkflowNotFound, …           refused
func judge(a notify.Answer) notify.Outcome {
	if hidden := hiddenStatus(a); hidden != 0 {
		a.Status = hidden
	}
	o := a.Judge()
	if code := errorCode.FindStringSubmatch(a.Body); code != nil && o.Result != notify.Delivered {
		o.Reason += " " + code[1]
	}
	if a.Status == http.StatusBadRequest || a.Status == http.StatusRequestEntityTooLarge {
		o.Result = notify.Unfit
	}
	return o
}

var hiddenError = regexp.MustCompile(`(?i)HTTP error (\d{3})\b`)

// hiddenStatus is the status that a success hides, 0 when there is none.
func hiddenStatus(a notify.Answer) int {
	if a.Status < 200 || a.Status > 299 {
		return 0
	}
	found := hiddenError.FindStringSubmatch(a.Body)
	if found == nil {
		return 0
	}
	var status int
	if _, err := fmt.Sscan(found[1], &status); err != nil || status < 300 {
		return 0
	}
	return status
}
