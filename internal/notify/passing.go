package notify

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
)

// crockford is the alphabet of ULIDs.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// PassingID is the id of an event that is no part of history (a reminder, a
// heartbeat, a test): TENANT-r-ULID. Such ids sort by time and never meet the
// numbers of the chain.
func PassingID(tenant string, at time.Time) string {
	var raw [17]byte // one leading bit pair of zeros makes 128 bits fit 26 letters
	binary.BigEndian.PutUint64(raw[:8], uint64(at.UnixMilli())<<16)
	rand.Read(raw[6:16])
	// A ULID is the 128 bits as a number, most significant letter first: 130
	// bits are 26 letters, of which the first two bits are zero.
	var shifted [17]byte
	for i := range 16 {
		shifted[i] |= raw[i] >> 2
		shifted[i+1] = raw[i] << 6
	}
	return tenant + "-r-" + crockford.EncodeToString(shifted[:])[:26]
}

// Once makes one try past every queue, in the plainest form when the receiver
// does not like the rich one.
func Once(ctx context.Context, sink Sink, e *drift.Event) Outcome {
	m := &Message{Items: []Item{{Event: e}}}
	out := sink.Send(ctx, m)
	if out.Result == Unfit {
		m.Plain = true
		out = sink.Send(ctx, m)
	}
	return out
}

// String is the word for a result in answers to people.
func (r Result) String() string {
	switch r {
	case Delivered:
		return "delivered"
	case Later:
		return "later"
	case Refused:
		return "refused"
	}
	return "unfit"
}
