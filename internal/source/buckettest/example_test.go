package buckettest_test

import (
	"fmt"
	"net/http/httptest"

	"fx/internal/source/buckettest"
)

func ExampleRefuse() {
	answer := httptest.NewRecorder()
	buckettest.Refuse(answer, 403, "AccessDenied")
	fmt.Println(answer.Code, answer.Body)
	// Output: 403 <Error><Code>AccessDenied</Code><Message>refused</Message></Error>
}
