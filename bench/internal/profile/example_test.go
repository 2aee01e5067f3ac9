package profile_test

import (
	"fmt"

	"fx/bench/internal/profile"
)

func ExampleParse() {
	b, err := profile.Parse([]byte(`[
		{"cat":"Node","name":"conv_kernel_time","ts":1,"dur":3000,"args":{"op_name":"Conv"}},
		{"cat":"Session","name":"model_run","ts":0,"dur":4000}]`), 0)
	fmt.Println(b.Ops[0].Op, b.Ops[0].Milliseconds, "of", b.Run, "ms", err)
	// Output: Conv 3 of 4 ms <nil>
}
