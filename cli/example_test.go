package cli_test

import (
	"context"
	"os"

	"fx/cli"
)

func ExampleRun() {
	code := cli.Run(context.Background(), []string{"fx", "backbones", "show", "resnet81", "--json"}, os.Stdout,
		os.NewFile(0, os.DevNull))
	if code != 2 {
		panic(code)
	}
	// Output:
	// {
	//   "error": "unknown backbone \"resnet81\"",
	//   "exit_code": 2,
	//   "hint": "Did you mean resnet18 or resnet34 or resnet50? `fx backbones list` shows the names; an ONNX file of your own is given by its path, ending in .onnx."
	// }
}
