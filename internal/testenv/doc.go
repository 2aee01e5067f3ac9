// Package testenv finds what tests need of the machine, such as photos, weights and programs.
//
// PhotosDir, WeightsFile and StraceProgram return it. Package orttest has Runtime and GPU for tests that run ONNX
// Runtime; it is a package of its own, because it imports internal/ort. All of them call Lacks on a machine without
// it, which skips the test.
//
// The environment variable FX_TEST_REQUIRE lists the needs that the machine must meet, separated by commas. The same
// test then fails instead, so that a run without ONNX Runtime, for example, cannot be green. CI sets it (.ci/run).
package testenv
