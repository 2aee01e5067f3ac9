package fetch

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"fx/internal/progress"
)

// StatusError is a server's refusal. It wraps ErrUnreachable if another try may succeed, else ErrRefused.
type StatusError struct {
	Code   int    // such as 404
	Status string // such as "404 Not Found"
	Header http.Header
	Host   string // which may be another than that of File.URL, after a redirect
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%v: its answer is %s", e.Unwrap(), e.Status)
}

// Unwrap returns ErrUnreachable or ErrRefused.
func (e *StatusError) Unwrap() error {
	if e.passing() {
		return ErrUnreachable
	}
	return ErrRefused
}

func (e *StatusError) passing() bool {
	return e.Code >= 500 || e.Code == http.StatusRequestTimeout || e.Code == http.StatusTooManyRequests
}

// refusal is the error for an answer without the file. A passing one can be tried again.
func refusal(r *http.Response) error {
	err := &StatusError{Code: r.StatusCode, Status: r.Status, Header: r.Header, Host: r.Request.URL.Host}
	if !err.passing() {
		return err
	}
	seconds, _ := strconv.Atoi(r.Header.Get("Retry-After")) // a date counts as none
	return &retryError{err, time.Duration(max(0, min(seconds, 60))) * time.Second}
}

// Ask returns the header of the answer to a HEAD request for f.URL, with f.Token. It follows redirects on the same
// host: the answer of the last one there may itself be a redirect to another host. name is for the notes of further
// tries. Errors are those of Get.
func (c *Client) Ask(ctx context.Context, f File, report progress.Reporter) (header http.Header, err error) {
	l := c.limits()
	err = l.persist(ctx, f.name(), report, func() (bool, error) {
		inner, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		watch := l.watch(cancel)
		defer watch.stop()
		request, err := http.NewRequestWithContext(inner, http.MethodHead, f.URL, nil)
		if err != nil {
			return false, err
		}
		authorize(request, f.Token)
		response, err := c.http(stayOnHost).Do(request)
		if err != nil {
			return false, noAnswer(ctx, inner, err, false)
		}
		_ = response.Body.Close() // a HEAD has none
		if response.StatusCode >= 400 {
			return false, refusal(response)
		}
		header = response.Header
		return false, nil
	})
	return header, err
}
