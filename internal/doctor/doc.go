// Package doctor examines the machine for `fx runtime doctor`: which ONNX Runtime is
// in use, whether the CPU and the GPU really compute, what is missing, and the
// command that mends it.
//
//	report := doctor.Examine(ctx, "") // "" or --ort-lib
//	fmt.Println(report.CPU.Works, report.CUDA.Problem, report.CUDA.Mend)
package doctor
