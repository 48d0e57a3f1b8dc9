package drift

import "encoding/json"

// Change is one changed field of one object.
type Change struct {
	// Path is the JSON pointer (RFC 6901) of the field in the canonical form.
	// For a set it points at the set, not at a member.
	Path string `json:"path"`
	// Field is the field in the portal's words, Text the change in one line.
	Field string `json:"field"`
	Text  string `json:"text"`
	// Old and New are the values before and after, absent where the field
	// was. Sets have Added and Removed as well.
	Old     json.RawMessage   `json:"old,omitempty"`
	New     json.RawMessage   `json:"new,omitempty"`
	Added   []json.RawMessage `json:"added"`
	Removed []json.RawMessage `json:"removed"`
	// Direction is what this change does by itself, or would do if the
	// policy acted.
	Direction Direction `json:"direction"`
	// Unknown marks a property or value this version does not know.
	Unknown bool `json:"unknown,omitempty"`
	// Part marks a field of a setting that another change of the same object
	// tells whole, and the name of an object that was created or deleted:
	// people need not read it.
	Part bool `json:"part,omitempty"`
}

// PatchOp is one operation of an RFC 6902 patch. Value is nil for remove.
type PatchOp struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

// Patch is an RFC 6902 patch between two canonical forms. A created object is
// add "", a deleted one replace "" null.
type Patch []PatchOp
