// Package webhook sends events to a generic receiver: one event a POST, the
// body as the contract describes it, signed by the Standard Webhooks scheme.
//
// It owns the body, the signature and the meaning of the answers. The
// webhook-id is the event's id, the same for every try, so that a receiver can
// tell repeats; the timestamp is that of the try, so every try is signed anew.
package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/notify"
)

// minKey is the least length of a signing key that the scheme allows. The
// library takes a single byte without complaint.
const minKey = 24

// Sink is one generic webhook.
type Sink struct {
	post       *notify.Poster
	secretFile string
}

var _ notify.Sink = (*Sink)(nil)

// New makes the sink of one receiver. Without a secret file the events go out
// unsigned. The file holds one secret (whsec_…) or, while one is being
// replaced, several on lines of their own; it is read at each send.
func New(post *notify.Poster, secretFile string) *Sink { return &Sink{post, secretFile} }

// Limits are none: only the receiver's answers slow us down.
func (s *Sink) Limits() notify.Limits { return notify.Limits{Events: 1} }

// delivery is the body: the event as the history has it, and beside its members
// what the receiver is told of by this sum alone.
type delivery struct {
	*drift.Event
	Folded *drift.Folded `json:"folded,omitempty"`
}

// Send makes one try with the one event of the message.
func (s *Sink) Send(ctx context.Context, m *notify.Message) notify.Outcome {
	e := m.Items[0].Event
	body, err := json.Marshal(delivery{e, m.Items[0].Dropped})
	if err != nil {
		return notify.Outcome{Result: notify.Refused, Reason: fmt.Sprintf("encode event: %v", err)}
	}
	u, err := s.post.Address()
	if err != nil {
		return notify.NoAnswer(err)
	}
	header, err := s.sign(e.ID, time.Now(), body)
	if err != nil {
		return notify.NoAnswer(err)
	}
	answer, err := s.post.Post(ctx, u, body, header)
	if err != nil {
		return notify.NoAnswer(err)
	}
	return answer.Judge()
}

// Check reads the secret as the next send will. Errors never hold it.
func (s *Sink) Check() error {
	_, err := s.keys()
	return err
}

// sign makes the three headers of the scheme.
func (s *Sink) sign(id string, at time.Time, body []byte) (http.Header, error) {
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	var signatures []string
	for _, key := range keys {
		signature, err := key.Sign(id, at, body)
		if err != nil {
			return nil, errors.New("sign event: the signing library refused")
		}
		signatures = append(signatures, signature)
	}
	if len(signatures) > 0 {
		h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	}
	return h, nil
}

const (
	secretPrefix = "whsec_"
	secretBytes  = 4 << 10
)

// keys reads the signing keys; none when the receiver has no secret.
func (s *Sink) keys() ([]*standardwebhooks.Webhook, error) {
	if s.secretFile == "" {
		return nil, nil
	}
	secret, err := notify.ReadSecretFile(s.secretFile, secretBytes)
	if err != nil {
		return nil, fmt.Errorf("read secret_file: %w", err)
	}
	return parseKeys(secret)
}

// parseKeys reads one secret a line. Its errors say what is wrong without
// quoting anything.
func parseKeys(secret drift.Secret) ([]*standardwebhooks.Webhook, error) {
	var out []*standardwebhooks.Webhook
	for line := range strings.Lines(secret.Reveal()) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		encoded, ok := strings.CutPrefix(line, secretPrefix)
		if !ok {
			return nil, errors.New("read signing secret: want whsec_ and base64")
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		switch {
		case err != nil:
			return nil, errors.New("read signing secret: what follows whsec_ is not base64")
		case len(key) < minKey:
			return nil, fmt.Errorf("read signing secret: %d bytes, want at least %d", len(key), minKey)
		}
		hook, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, errors.New("read signing secret: the signing library refused it")
		}
		out = append(out, hook)
	}
	return out, nil
}
