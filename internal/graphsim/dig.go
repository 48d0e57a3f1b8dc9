package graphsim

import "maps"

// dig is the value at a path of members, nil where the path ends early.
func dig(body map[string]any, path ...string) any {
	var value any = body
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// strs is a copy of the array of strings at a path.
func strs(body map[string]any, path ...string) []string {
	list, _ := dig(body, path...).([]any)
	out := make([]string, 0, len(list))
	for _, member := range list {
		if text, ok := member.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// count is how many of the members of the object at the path say something.
func count(body map[string]any, path []string, names ...string) int {
	object, _ := dig(body, path...).(map[string]any)
	n := 0
	for _, name := range names {
		if !empty(object[name]) {
			n++
		}
	}
	return n
}

func anyOf(body map[string]any, path []string, names ...string) bool {
	return count(body, path, names...) > 0
}

func allNull(object map[string]any) bool {
	for _, value := range object {
		if value != nil {
			return false
		}
	}
	return true
}

// without is a copy of the object that lacks some members.
func without(object map[string]any, names ...string) map[string]any {
	out := maps.Clone(object)
	if out == nil {
		out = make(map[string]any)
	}
	for _, name := range names {
		delete(out, name)
	}
	return out
}
