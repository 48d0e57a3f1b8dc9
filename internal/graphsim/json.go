package graphsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// decodeObject reads one JSON object, numbers kept as they were written.
func decodeObject(raw []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var body map[string]any
	if err := decoder.Decode(&body); err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if body == nil {
		return nil, fmt.Errorf("read body: not an object")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("read body: more than one value")
	}
	return body, nil
}

// encode writes JSON as the service does: keys sorted, no white space, <, >
// and & as they are.
func encode(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		// Only values that JSON can hold come here.
		panic("graphsim: encode body: " + err.Error())
	}
	return bytes.TrimRight(buffer.Bytes(), "\n")
}

// appendMember appends a member to a JSON object that is being written by hand.
func appendMember(b []byte, name string, value []byte) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = strconv.AppendQuote(b, name)
	b = append(b, ':')
	return append(b, value...)
}
