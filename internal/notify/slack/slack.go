// Package slack sends alerts to a Slack incoming webhook.
//
// It owns the shape of the message (Block Kit at the top level and a text
// fallback), its budgets, and the meaning of Slack's answers. Names that an
// attacker can choose go into plain_text objects only, with emoji codes off
// and Slack's three control characters escaped; mrkdwn is for our own words
// and links. Everything that does not fit is cut here, before sending, because
// an incoming webhook answers "invalid_blocks" without saying which.
package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/cadrift/cadrift/internal/notify"
	"github.com/cadrift/cadrift/internal/words"
)

// Sink is one Slack channel.
type Sink struct {
	post  *notify.Poster
	links words.Links
}

var _ notify.Sink = (*Sink)(nil)

// New makes the sink of one incoming webhook.
func New(post *notify.Poster, links words.Links) *Sink { return &Sink{post, links} }

// Limits follow Slack's rate of about one message a second with short bursts;
// an app that goes on after the limit may be switched off.
func (s *Sink) Limits() notify.Limits {
	return notify.Limits{Events: shownEvents, PerMinute: 5, Spacing: time.Second}
}

// Send makes one try.
func (s *Sink) Send(ctx context.Context, m *notify.Message) notify.Outcome {
	body, err := encode(compose(m, s.links))
	if err != nil {
		return notify.Outcome{Result: notify.Unfit, Reason: err.Error()}
	}
	u, err := s.post.Address()
	if err != nil {
		return notify.NoAnswer(err)
	}
	answer, err := s.post.Post(ctx, u, body, nil)
	if err != nil {
		return notify.NoAnswer(err)
	}
	return judge(answer)
}

// encode writes JSON without Go's \u003c escapes, which would only swell it.
func encode(p payload) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		return nil, fmt.Errorf("encode Slack message: %w", err)
	}
	return b.Bytes(), nil
}

// errorWord is what Slack's error texts look like; anything else (a proxy's
// page) stays out of reasons.
var errorWord = regexp.MustCompile(`^[a-z_]{2,60}$`)

// judge reads Slack's answer.
//
//	status          body                                     result
//	200             ok                                       delivered
//	200             anything else                            later: a proxy or a log-in page answered
//	400             invalid_payload, invalid_blocks, …       unfit: once more as plain text
//	408, 429, 5xx                                            later
//	403, 404, 410   invalid_token, no_service, …             refused
func judge(a notify.Answer) notify.Outcome {
	o := a.Judge()
	if errorWord.MatchString(a.Body) && a.Body != "ok" {
		o.Reason += " " + a.Body
	}
	switch {
	case a.Status == http.StatusOK && a.Body != "ok":
		o.Result, o.Reason = notify.Later, o.Reason+": the answer is not Slack's ok"
	case a.Status == http.StatusBadRequest && a.Body != "user_not_found", a.Status == http.StatusRequestEntityTooLarge:
		o.Result = notify.Unfit
	}
	return o
}
