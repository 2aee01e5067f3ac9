package pb_test

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"fx/internal/onnx/pb"
)

func Example() {
	data, err := proto.Marshal(&pb.NodeProto{OpType: "Relu", Input: []string{"x"}, Output: []string{"y"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var n pb.NodeProto
	if err := proto.Unmarshal(data, &n); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(n.OpType, n.Input, n.Output)
	// Output: Relu [x] [y]
}
