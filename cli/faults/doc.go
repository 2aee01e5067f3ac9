// Package faults sweeps fx's commands for faults of the system.
//
// Its test runs a command under strace, makes one of its system calls fail or
// kills it there, and checks what remains: no earlier data may be lost, success
// may be reported only for completed work, and the same command, run again, must
// produce the same result as without a fault.
//
//	go test ./cli/faults -v -faults 1000
//
// Another test checks fx's tests: it inserts faults into the code, such as a
// checksum that is not compared, and requires that a test fails for each of them.
//
//	go test -tags planted ./cli/faults -v -run TestPlantedFaults
package faults
