package drift

// Direction is what a change does to the tenant's defences: a subset of
// {weaker, stronger} (detection law §3.1). The zero value is neutral.
type Direction uint8

// The four directions. Mixed is also what cannot be decided.
const (
	Neutral  Direction = 0
	Weaker   Direction = 1
	Stronger Direction = 2
	Mixed    Direction = Weaker | Stronger
)

// Join is the union of two directions.
func (d Direction) Join(o Direction) Direction { return d | o }

// Swap exchanges weaker and stronger.
func (d Direction) Swap() Direction { return (d&Weaker)<<1 | (d&Stronger)>>1 }

// Has tells whether every part of o is in d; Neutral is in everything.
func (d Direction) Has(o Direction) bool { return d&o == o }

// String is the word of the contract.
func (d Direction) String() string {
	return [...]string{"neutral", "weaker", "stronger", "mixed"}[d&Mixed]
}

// MarshalText writes the word of the contract.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the word of the contract.
func (d *Direction) UnmarshalText(text []byte) error {
	for i := range Mixed + 1 {
		if i.String() == string(text) {
			*d = i
			return nil
		}
	}
	return &WordError{What: "direction", Word: string(text), Want: "weaker, stronger, mixed or neutral"}
}

// Severity orders events by how soon a person should look. The zero value is
// info, which is for tests and heartbeats only.
type Severity uint8

// The severities, least first.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
)

// Severities lists every severity, most severe first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low, Info} }

// String is the word of the contract.
func (s Severity) String() string {
	return [...]string{"info", "low", "medium", "high", "critical"}[min(s, Critical)]
}

// MarshalText writes the word of the contract.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word of the contract.
func (s *Severity) UnmarshalText(text []byte) error {
	for _, sev := range Severities() {
		if sev.String() == string(text) {
			*s = sev
			return nil
		}
	}
	return &WordError{What: "severity", Word: string(text), Want: "info, low, medium, high or critical"}
}

// WordError reports a word outside a closed list.
type WordError struct{ What, Word, Want string }

func (e *WordError) Error() string {
	return "unknown " + e.What + " \"" + e.Word + "\": want " + e.Want
}

// Verdict is what package judge says of one change of one object.
type Verdict struct {
	Direction Direction
	Severity  Severity
	// Lockout tells that this edit may lock the company or its emergency
	// accounts out; Reasons says how, in words.
	Lockout bool
	Reasons []string
	// Summary is one line that starts with the object's name: "CA001: state
	// on → off".
	Summary string
	// Changes are the field changes with their words and directions.
	Changes []Change
	// Affects names the policies that use a changed location, strength,
	// context or group.
	Affects []Ref
}
