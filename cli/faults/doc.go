// Package faults sweeps fx's commands for faults of the system.
//
// Its test runs a command under strace, lets one system call of it fail or
// kills it there, and looks at what is left: nothing that was there before may
// be lost, success may only be told of what was done, and the same command, run
// again, has to come to what it comes to without a fault.
//
//	go test ./cli/faults -v -faults 1000
//
// Another test looks at fx's tests: it puts faults into the code, such as a
// checksum that is not compared, and demands that a test fails for each of them.
//
//	go test -tags planted ./cli/faults -v -run TestPlantedFaults
package faults
