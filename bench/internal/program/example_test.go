package program_test

import (
	"flag"
	"fmt"
	"os"

	"fx/bench/internal/program"
	"fx/internal/fail"
)

func ExampleReport() {
	fmt.Println(program.Report("versus", fail.New(fail.Usage, "--help lists the flags.", "unknown argument %q", "x"),
		os.Stdout))
	fmt.Println(program.Report("versus", flag.ErrHelp, os.Stdout))
	// Output:
	// versus: unknown argument "x"
	//   --help lists the flags.
	// 2
	// 0
}
