package drift

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Kind names one kind of watched object.
type Kind string

// The kinds, in the order in which people read them.
const (
	Policy                 Kind = "policy"
	NamedLocation          Kind = "named_location"
	AuthenticationStrength Kind = "authentication_strength"
	AuthenticationContext  Kind = "authentication_context"
	SecurityDefaults       Kind = "security_defaults"
	Group                  Kind = "group"
)

// Kinds lists every kind, in the order in which people read them.
func Kinds() []Kind {
	return []Kind{Policy, NamedLocation, AuthenticationStrength, AuthenticationContext, SecurityDefaults, Group}
}

// Words is the kind as people say it: "named location".
func (k Kind) Words() string {
	switch k {
	case NamedLocation:
		return "named location"
	case AuthenticationStrength:
		return "authentication strength"
	case AuthenticationContext:
		return "authentication context"
	case SecurityDefaults:
		return "security defaults"
	}
	return string(k)
}

// Plural is the kind as people speak of several: "named locations".
func (k Kind) Plural() string {
	switch k {
	case Policy:
		return "policies"
	case SecurityDefaults:
		return "security defaults"
	}
	return k.Words() + "s"
}

// Key is the identity of an object within its tenant.
type Key struct {
	Kind Kind
	ID   string
}

// String is "kind/id".
func (k Key) String() string { return string(k.Kind) + "/" + k.ID }

// Compare orders keys by kind and id, for stable output.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Kind, o.Kind), cmp.Compare(k.ID, o.ID))
}

// Ref names an object to people and scripts.
type Ref struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Key is the identity that the reference points at.
func (r Ref) Key() Key { return Key{r.Kind, r.ID} }

// Digest is the SHA-256 of a canonical form, of raw bytes, or of a record.
type Digest [32]byte

// String is the digest in lower-case hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero tells whether the digest was never set.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText writes hexadecimal, and nothing for the zero digest.
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what [Digest.MarshalText] wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	if hex.DecodedLen(len(text)) != len(d) {
		return fmt.Errorf("read digest: %d hexadecimal digits, want %d", len(text), 2*len(d))
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("read digest: %w", err)
	}
	return nil
}

// Object is one object of a tenant at one moment: what Graph returned, and
// the canonical form that decides whether it changed.
//
// Raw and Canonical are shared, never written to after construction.
type Object struct {
	Ref

	// Raw is the body as Graph returned it, to the byte. For an
	// authentication strength the separately listed
	// combinationConfigurations are spliced in as a member.
	Raw []byte
	// Canonical is the canonical form (package canon), Digest its digest.
	// The digest covers the kind and the canonicaliser's version.
	Canonical []byte
	Digest    Digest

	// Metadata, kept beside the canonical form; zero when Graph says null.
	Created, Modified, Deleted time.Time

	// Odd says why the object could not be understood and is compared as
	// plain JSON; empty for an ordinary object.
	Odd string
	// UnknownEnum lists the paths (JSON pointers) whose value is Graph's
	// literal unknownFutureValue: blind spots, never written back.
	UnknownEnum []string
}

// Form is the canonical form, nil of an object that is not there.
func (o *Object) Form() []byte {
	if o == nil {
		return nil
	}
	return o.Canonical
}

// Written is the moment of the last write that Graph admits to: modified,
// or created where modified is null.
func (o *Object) Written() time.Time {
	if o.Modified.IsZero() {
		return o.Created
	}
	return o.Modified
}

// Absence is an object that a complete listing lacks and that nothing has
// confirmed as deleted yet.
type Absence struct {
	// Since is the time of the first listing that lacked it.
	Since time.Time `json:"since"`
	// NotFound is the time of the first GET by id that answered 404; zero
	// while there was none.
	NotFound time.Time `json:"not_found,omitzero"`
	// Confirmed is the time at which it was found to be deleted; only a
	// quarantined absence waits on with it set, for the others.
	Confirmed time.Time `json:"confirmed,omitzero"`
	// Quarantined tells that it vanished together with too many others.
	Quarantined bool `json:"quarantined,omitempty"`
}

// ErrNotFound reports an object, revision, tenant or event that is not there.
var ErrNotFound = errors.New("not found")
