package weights

import (
	"errors"
	"fmt"
	"strings"
)

// wrappers are the keys under which training scripts store the state dict.
var wrappers = []string{"state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "params",
	"weights"}

const maxDicts = 64 // dicts that are searched for tensors

// stateOf finds the state dict in the value of a file. It returns the dict and its path of keys.
func stateOf(root any) (*dict, string, error) {
	d, ok := root.(*dict)
	if !ok {
		return nil, "", fmt.Errorf("it contains %s, not a dict of named tensors", kindOf(root))
	}
	found, path := open(d, map[*dict]bool{})
	if found != nil {
		return found, strings.Join(path, "."), nil
	}
	return nil, "", fmt.Errorf("no tensors in its dict, whose keys are %s", someKeys(d))
}

// open looks for a dict of tensors in d and its wrappers. It visits each dict once.
func open(d *dict, seen map[*dict]bool) (*dict, []string) {
	seen[d] = true
	for _, key := range wrappers { // before d's own tensors: a checkpoint may store its best accuracy as one
		inner, ok := d.values[key].(*dict)
		if !ok || seen[inner] || len(seen) > maxDicts {
			continue
		}
		if found, path := open(inner, seen); found != nil {
			return found, append([]string{key}, path...)
		}
	}
	for _, key := range d.keys {
		if _, ok := d.values[key].(*view); ok {
			return d, nil
		}
	}
	return nil, nil
}

// tensors returns a state dict of d's tensors, without its other values.
func (d *dict) tensors(b *budget) (*StateDict, error) {
	state := NewStateDict()
	for _, key := range d.keys {
		v, ok := d.values[key].(*view)
		if !ok {
			continue
		}
		name, ok := key.(string)
		if !ok {
			return nil, errors.New("a tensor whose name is not a string")
		}
		t, err := v.tensor(b)
		if err != nil {
			return nil, fmt.Errorf("tensor %.100q: %w", name, err)
		}
		state.Set(name, t)
	}
	return state, nil
}

// someKeys returns the first keys of d for a message.
func someKeys(d *dict) string {
	var names []string
	for _, key := range d.keys {
		if len(names) == 8 {
			names = append(names, "…")
			break
		}
		if s, ok := key.(string); ok {
			names = append(names, fmt.Sprintf("%.40q", s))
		} else {
			names = append(names, kindOf(key))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
