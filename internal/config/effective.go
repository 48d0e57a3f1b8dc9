package config

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Effective is the configuration that `run` would use, as YAML: with defaults,
// with the endpoints that resolve gives for a tenant's cloud (package graph
// knows them), with absolute file names and without any secret.
func (c *Config) Effective(resolve func(Cloud) (graph, authority string)) []byte {
	shown := *c
	shown.Tenants = append([]Tenant{}, c.Tenants...)
	for i := range shown.Tenants {
		if t := &shown.Tenants[i]; t.Cloud != Custom {
			t.Endpoints.Graph, t.Endpoints.Authority = resolve(t.Cloud)
		}
	}
	shown.Receivers = append([]Receiver{}, c.Receivers...)
	for i := range shown.Receivers {
		shown.Receivers[i].showFilters(c)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := encoder.Encode(render(fields(&shown)))
	if err != nil {
		// Nodes of plain values always encode; the text goes to a terminal.
		fmt.Fprintf(&b, "# cannot show the configuration: %v\n", err)
	}
	return b.Bytes()
}

// showFilters writes out what an absent filter means.
func (r *Receiver) showFilters(c *Config) {
	if len(r.Directions) == 0 {
		for _, d := range directions() {
			r.Directions = append(r.Directions, d.value)
		}
	}
	if len(r.Tenants) == 0 {
		for _, t := range c.Tenants {
			r.Tenants = append(r.Tenants, t.Name)
		}
	}
	if len(r.Kinds) == 0 {
		for _, k := range watchWords() {
			r.Kinds = append(r.Kinds, k.value)
		}
	}
}

// render is a block as a YAML node, in the order of the fields.
func render(keys []field) *yaml.Node {
	block := &yaml.Node{Kind: yaml.MappingNode}
	for _, key := range keys {
		value := key.show()
		if value == nil {
			continue
		}
		name, n := new(yaml.Node), new(yaml.Node)
		name.SetString(key.name)
		if err := n.Encode(value); err != nil {
			n.SetString("cannot show: " + err.Error())
		}
		if n.Kind == yaml.SequenceNode && plainItems(n) {
			n.Style = yaml.FlowStyle
		}
		block.Content = append(block.Content, name, n)
	}
	return block
}

func plainItems(n *yaml.Node) bool {
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			return false
		}
	}
	return true
}
