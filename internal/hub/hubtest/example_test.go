package hubtest_test

import (
	"fmt"

	"fx/internal/hub/hubtest"
)

func ExampleBlob() {
	fmt.Println(hubtest.Blob("README.md", "hello\n")) // what `git hash-object` prints
	// Output: ce013625030ba8dba906f756967f9e9ca394464a
}
