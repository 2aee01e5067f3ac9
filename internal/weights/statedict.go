package weights

import "slices"

// StateDict is torch's state_dict: named tensors in an order. The zero value is not usable; call NewStateDict.
type StateDict struct {
	Metadata map[string]string // __metadata__ of a safetensors file
	names    []string
	tensors  map[string]Tensor
}

// NewStateDict returns a state dict without tensors.
func NewStateDict() *StateDict {
	return &StateDict{Metadata: map[string]string{}, tensors: map[string]Tensor{}}
}

// Set adds a tensor at the end, or replaces the one of that name in its place.
func (s *StateDict) Set(name string, t Tensor) {
	if _, ok := s.tensors[name]; !ok {
		s.names = append(s.names, name)
	}
	s.tensors[name] = t
}

// Get returns the tensor of that name.
func (s *StateDict) Get(name string) (Tensor, bool) {
	t, ok := s.tensors[name]
	return t, ok
}

// Names returns the names of the tensors in their order.
func (s *StateDict) Names() []string { return slices.Clone(s.names) }

// Len returns the number of tensors.
func (s *StateDict) Len() int { return len(s.names) }
