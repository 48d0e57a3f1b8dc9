package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The second check. It is written for itself on purpose: nothing in this file
// uses the plan's reading of a policy or its way of building a body, so that
// one mistake cannot pass both.

// checkAdds compares the outgoing body of a write with the fresh read. It
// returns an error unless every list that is sent is the list as read, member
// for member, followed by one or more configured ids that it lacked.
func checkAdds(fresh, outgoing []byte, users, groups []string) error {
	return compareLists(fresh, outgoing, func(name string, was, sent []string) error {
		allowed := users
		if name == "excludeGroups" {
			allowed = groups
		}
		if len(sent) <= len(was) {
			return fmt.Errorf("%s does not grow", name)
		}
		for i := range was {
			if sent[i] != was[i] {
				return fmt.Errorf("%s: member %d is not what was read", name, i+1)
			}
		}
		for i := len(was); i < len(sent); i++ {
			if !among(sent[i], allowed) {
				return fmt.Errorf("%s: an id is added that is not configured", name)
			}
			if among(sent[i], sent[:i]) {
				return fmt.Errorf("%s: an id is added twice", name)
			}
		}
		return nil
	})
}

// checkWithdrawal is the check of an undo: every list that is sent is the list
// as read without one or more of the ids that the undone write added.
func checkWithdrawal(fresh, outgoing []byte, users, groups []string) error {
	return compareLists(fresh, outgoing, func(name string, was, sent []string) error {
		allowed := users
		if name == "excludeGroups" {
			allowed = groups
		}
		if len(sent) >= len(was) {
			return fmt.Errorf("%s does not shrink", name)
		}
		next := 0
		for _, id := range was {
			switch {
			case next < len(sent) && sent[next] == id:
				next++
			case !among(id, allowed):
				return fmt.Errorf("%s: an id is taken away that the write did not add", name)
			}
		}
		if next != len(sent) {
			return fmt.Errorf("%s: a member is sent that was not read", name)
		}
		return nil
	})
}

// compareLists takes both bodies apart and compares list by list.
func compareLists(fresh, outgoing []byte, compare func(name string, was, sent []string) error) error {
	if bytes.Contains(fresh, []byte(`"unknownFutureValue"`)) && bytes.Contains(outgoing, []byte(`"unknownFutureValue"`)) {
		return errors.New("the body holds Graph's placeholder for a hidden value")
	}
	top, err := exactObject(outgoing, "conditions")
	if err != nil {
		return fmt.Errorf("outgoing body: %w", err)
	}
	conditions, err := exactObject(top["conditions"], "users")
	if err != nil {
		return fmt.Errorf("outgoing conditions: %w", err)
	}
	sent, err := exactObject(conditions["users"], "excludeUsers", "excludeGroups")
	if err != nil {
		return fmt.Errorf("outgoing users: %w", err)
	}
	for name, list := range sent {
		out, err := texts(list)
		if err != nil {
			return fmt.Errorf("outgoing %s: %w", name, err)
		}
		was, err := listAt(fresh, "conditions", "users", name)
		if err != nil {
			return fmt.Errorf("fresh %s: %w", name, err)
		}
		if err := compare(name, was, out); err != nil {
			return err
		}
	}
	return nil
}

// exactObject reads an object that has at least one member and none but the
// named ones, each once.
func exactObject(text []byte, names ...string) (map[string]json.RawMessage, error) {
	members, err := objectMembers(text)
	if err != nil {
		return nil, err
	}
	if len(members) == 0 {
		return nil, errors.New("it is empty")
	}
	for name := range members {
		known := false
		for _, n := range names {
			known = known || n == name
		}
		if !known {
			return nil, fmt.Errorf("it has a member %q", name)
		}
	}
	return members, nil
}

// objectMembers reads an object by its exact names; a name that comes twice is
// an error.
func objectMembers(text []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("it is no object")
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if _, twice := members[name]; !ok || twice {
			return nil, fmt.Errorf("member %q comes twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		members[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows it")
	}
	return members, nil
}

// listAt is the list of strings at a path; null and absent are empty.
func listAt(text []byte, path ...string) ([]string, error) {
	for _, name := range path {
		members, err := objectMembers(text)
		if err != nil {
			return nil, err
		}
		text = members[name]
		if len(text) == 0 || string(text) == "null" {
			return nil, nil
		}
	}
	return texts(text)
}

// texts reads an array of strings and nothing else.
func texts(array []byte) ([]string, error) {
	var members []*string
	if err := json.Unmarshal(array, &members); err != nil || members == nil {
		return nil, errors.New("it is no list of strings")
	}
	out := make([]string, len(members))
	for i, m := range members {
		if m == nil {
			return nil, errors.New("it holds null")
		}
		out[i] = *m
	}
	return out, nil
}

func among(id string, list []string) bool {
	for _, other := range list {
		if strings.EqualFold(id, other) {
			return true
		}
	}
	return false
}
