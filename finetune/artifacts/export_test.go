package artifacts

import "fx/internal/onnx/pb"

// Graph is the network's graph in training form, for tests that change it.
func (n *Network) Graph() *pb.ModelProto { return n.graph }
