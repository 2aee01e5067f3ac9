package ort

import "fx/internal/fail"

// Node is a node of a session's graph, after ONNX Runtime's basic optimizations.
type Node struct {
	Provider string // that runs it, such as "CUDAExecutionProvider"
	Domain   string // "" for ONNX's own operators
	Op       string
	Name     string // "" if an optimization made the node
}

// recordNodes is the entry of session options that makes ONNX Runtime record the provider of each node.
const recordNodes = "session.record_ep_graph_assignment_info"

// Nodes returns the nodes of a session that was opened with SessionOptions.Nodes, and the provider that runs each.
func (s *Session) Nodes() ([]Node, error) {
	s.open.RLock()
	defer s.open.RUnlock()
	if s.closed {
		return nil, fail.New(fail.Other, "", "Nodes of a closed session")
	}
	nodes, err := s.runtime.api.assignment(s.session)
	if err != nil {
		return nil, s.explain(err, "the nodes' providers")
	}
	return nodes, nil
}
