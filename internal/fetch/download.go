package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fx/internal/fail"
	"fx/internal/progress"
)

// complete tries until the part is the whole file. A try that gains less than limits.quota counts as failed. After
// limits.attempts failures in a row, or as many starts from the first byte, complete gives up; so it ends, whatever
// the server does.
func (c *Client) complete(ctx context.Context, f File, p *part, report progress.Reporter) error {
	l := c.limits()
	meter := &meter{report: report, stage: "download " + filepath.Base(f.Path)}
	defer meter.end()
	return l.persist(ctx, filepath.Base(f.Path), report, func() (bool, error) {
		before := p.size
		err := c.attempt(ctx, f, p, l, meter)
		var retry *retryError
		if p.emptied >= l.attempts && errors.As(err, &retry) {
			err = retry.err
		}
		return p.size-before >= l.quota, err
	})
}

// persist tries until there is no error after which another try may succeed, or until limits.attempts tries in a row
// gained nothing.
func (l limits) persist(ctx context.Context, name string, report progress.Reporter, try func() (bool, error)) error {
	for failed, pause := 0, l.backoff; ; {
		gained, err := try()
		if err == nil {
			return nil
		}
		if gained {
			failed, pause = 0, l.backoff
		}
		failed++
		var retry *retryError
		if !errors.As(err, &retry) || failed >= l.attempts {
			return err
		}
		wait := max(pause, min(retry.after, time.Minute))
		report.Note(fmt.Sprintf("%s: %v; trying again in %v", name, err, wait))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		pause *= 2
	}
}

// retryError is a failure after which another try may succeed.
type retryError struct {
	err   error
	after time.Duration // what the server asked for
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

// attempt makes one request for the missing bytes and appends them to the part.
func (c *Client) attempt(ctx context.Context, f File, p *part, l limits, meter *meter) error {
	if p.size > 0 && (p.state.validator() == "" || p.state.Length < 0) { // the rest may be of another file
		if err := p.truncate(); err != nil {
			return err
		}
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(inner, http.MethodGet, f.URL, nil)
	if err != nil {
		return err
	}
	if p.size > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", p.size))
		request.Header.Set("If-Range", p.state.validator())
	}
	authorize(request, f.Token)
	watch := l.watch(cancel)
	defer watch.stop()
	response, err := c.http(stayEncrypted).Do(request)
	if err != nil {
		return noAnswer(ctx, inner, err, p.size > 0)
	}
	defer func() { _ = response.Body.Close() }() // only read from
	rest, err := f.accept(response, p)
	if rest == 0 || err != nil {
		return err
	}
	meter.begin(p)
	end := p.size + rest
	writeErr, err := p.append(io.LimitReader(watch.body(response.Body), rest+1), meter)
	switch {
	case writeErr != nil:
		return writeErr // waiting does not help a full disk
	case p.size > end && p.state.Length < 0:
		p.discard()
		return f.tooLong(end)
	case p.size > end:
		p.discard()
		return &retryError{err: fmt.Errorf("%w: it announced %d bytes but sends more", ErrInconsistent, rest)}
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil && context.Cause(inner) != nil: // the watch
		return &retryError{err: context.Cause(inner)}
	case err != nil:
		return &retryError{err: fmt.Errorf("%w, after %d bytes: %w", ErrIncomplete, p.size, err)}
	case p.state.Length >= 0 && p.size != p.state.Length:
		return &retryError{err: fmt.Errorf("%w: %d bytes of %d", ErrIncomplete, p.size, p.state.Length)}
	}
	return nil
}

// accept prepares the part for the response's body, and returns how many bytes the body may have: 0 if the part is
// already complete.
func (f File) accept(r *http.Response, p *part) (rest int64, err error) {
	switch {
	case r.StatusCode == http.StatusPartialContent && p.size > 0:
		start, end, total, ok := contentRange(r.Header.Get("Content-Range"))
		rest = end - start + 1
		if !ok || start != p.size || total != p.state.Length || end < start || end >= total || r.ContentLength >= 0 &&
			r.ContentLength != rest {
			p.discard()
			return 0, &retryError{err: fmt.Errorf("%w: it sent another part of the file than the one requested",
				ErrInconsistent)}
		}
		return rest, nil
	case r.StatusCode == http.StatusOK:
		return f.acceptWhole(r, p)
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable && p.size > 0:
		if p.size == p.state.Length && r.Header.Get("Content-Range") == fmt.Sprintf("bytes */%d", p.size) {
			return 0, nil
		}
		p.discard()
		return 0, &retryError{err: fmt.Errorf("%w: it has another file than before", ErrInconsistent)}
	}
	return 0, refusal(r)
}

// acceptWhole is accept for the whole file.
func (f File) acceptWhole(r *http.Response, p *part) (rest int64, err error) {
	length := r.ContentLength
	switch {
	case length >= 0 && f.Bytes > 0 && length != f.Bytes:
		return 0, f.otherLength(fmt.Sprintf("announces %d bytes", length))
	case length > f.MaxBytes:
		return 0, f.tooLong(length)
	case length == 0:
		return 0, fmt.Errorf("%w: it sends an empty file", ErrRefused)
	}
	err = p.restart(partState{URL: f.URL, ETag: r.Header.Get("ETag"), Modified: r.Header.Get("Last-Modified"),
		Length: length})
	if length < 0 {
		return f.MaxBytes, err
	}
	return length, err
}

// tooLong is the error for a body of n bytes or more.
func (f File) tooLong(n int64) error {
	switch {
	case f.Bytes > 0:
		return f.otherLength(fmt.Sprintf("sends more than %d bytes", f.Bytes))
	case n > f.MaxBytes:
		return fmt.Errorf("%w: %d bytes, and the limit is %d", ErrTooBig, n, f.MaxBytes)
	}
	return fmt.Errorf("%w: more than %d bytes", ErrTooBig, f.MaxBytes)
}

// otherLength is the error for a server whose file is not the known one.
func (f File) otherLength(does string) error {
	if f.seen.Bytes != f.Bytes {
		return fmt.Errorf("%w: the server %s, but the file has %d", ErrDigest, does, f.Bytes)
	}
	hint := "The server's file has changed, or something on the way, such as a proxy, changes files."
	if path, err := entryPath(f.seen.Name); err == nil {
		hint += fmt.Sprintf(" If you trust it, delete %s.", path)
	}
	return fail.Wrap(fail.Other, ErrDigest, hint, "the server %s, and at its first use (from %s) the file had %d "+
		"and SHA-256 %s",
		does, f.seen.From, f.seen.Bytes, f.seen.SHA256)
}

// noAnswer classifies the errors of the connection. If no connection was made, and none was before, there is no
// network, and waiting is useless.
func noAnswer(ctx, inner context.Context, err error, before bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if cause := context.Cause(inner); cause != nil { // the watch
		return &retryError{err: cause}
	}
	var named *url.Error // repeats the address, which may be a presigned one
	if errors.As(err, &named) {
		err = &withoutQueries{named.Err}
	}
	var certificate *tls.CertificateVerificationError
	if errors.Is(err, errRedirect) || errors.As(err, &certificate) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	var dial *net.OpError
	var lookup *net.DNSError
	noNetwork := errors.As(err, &lookup) ||
		errors.As(err, &dial) && (dial.Op == "dial" || dial.Op == "proxyconnect" || dial.Op == "socks connect")
	err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	if noNetwork && !before {
		return err
	}
	return &retryError{err: err}
}

// http returns the client of c that follows redirects as follow says.
func (c *Client) http(follow func(request *http.Request, via []*http.Request) error) *http.Client {
	if c.Transport != nil {
		return &http.Client{Transport: c.Transport, CheckRedirect: follow}
	}
	return &http.Client{Transport: transport, CheckRedirect: follow}
}

// transport honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY, and fails soon without a network. It asks for uncompressed
// files, so that ranges are those of the file.
var transport = &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	TLSHandshakeTimeout:   10 * time.Second,
	ResponseHeaderTimeout: 30 * time.Second,
	IdleConnTimeout:       30 * time.Second,
	DisableCompression:    true,
	ForceAttemptHTTP2:     true,
}

// contentRange reads "bytes 5-9/10" as 5, 9 and 10.
func contentRange(header string) (start, end, total int64, ok bool) {
	rest, isBytes := strings.CutPrefix(header, "bytes ")
	window, size, hasSize := strings.Cut(rest, "/")
	first, last, hasLast := strings.Cut(window, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	total, err3 := strconv.ParseInt(size, 10, 64)
	return start, end, total, isBytes && hasSize && hasLast && errors.Join(err, err2, err3) == nil
}

// meter reports the bytes of one download, over all its tries.
type meter struct {
	report progress.Reporter
	stage  string
	task   progress.Task
	shown  int64
}

func (m *meter) begin(p *part) {
	if m.task != nil && m.shown > p.size { // started over
		m.end()
	}
	if m.task == nil {
		m.task, m.shown = m.report.Begin(m.stage, max(0, p.state.Length), "bytes"), 0
	}
	m.add(p.size - m.shown)
}

func (m *meter) add(n int64) {
	m.task.Add(n)
	m.shown += n
}

func (m *meter) end() {
	if m.task != nil {
		m.task.End()
		m.task = nil
	}
}
