package config

import (
	"iter"
	"slices"

	"go.yaml.in/yaml/v3"
)

// pairs iterates over the keys and values of a mapping.
func pairs(mapping *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			if !yield(mapping.Content[i], mapping.Content[i+1]) {
				return
			}
		}
	}
}

// get returns a key's value in a mapping, or nil.
func get(mapping *yaml.Node, name string) *yaml.Node {
	for key, value := range pairs(mapping) {
		if key.Value == name {
			return value
		}
	}
	return nil
}

// set adds a key to a mapping or replaces its value, whose comment is kept.
func set(mapping *yaml.Node, name string, value *yaml.Node) {
	if old := get(mapping, name); old != nil {
		value.LineComment = old.LineComment
		*old = *value
		return
	}
	mapping.Content = append(mapping.Content, scalar(name), value)
}

// unset removes a key from a mapping.
func unset(mapping *yaml.Node, name string) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			mapping.Content = slices.Delete(mapping.Content, i, i+2)
			return
		}
	}
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}
