// Package testenv says what a test needs of the machine that it runs on.
//
// A test whose need is not met calls Lacks, which skips it.
//
// The environment variable FX_TEST_REQUIRE lists, separated by commas, what the
// machine has: there the same test fails instead, so that a run without ONNX
// Runtime, say, cannot end green. CI sets it (.ci/run).
package testenv
