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

	"fx/internal/progress"
)

// complete tries until the part holds the whole file.
func (c *Client) complete(ctx context.Context, f File, p *part, report progress.Reporter) error {
	attempts, pause := orDefault(c.Attempts, 4), orDefault(c.Backoff, 500*time.Millisecond)
	meter := &meter{report: report, stage: "download " + filepath.Base(f.Path)}
	defer meter.end()
	for failed := 0; ; {
		before := p.size
		err := c.attempt(ctx, f, p, meter)
		if err == nil {
			return nil
		}
		if p.size > before {
			failed, pause = 0, orDefault(c.Backoff, 500*time.Millisecond)
		}
		failed++
		var retry *retryError
		if !errors.As(err, &retry) || failed >= attempts {
			return err
		}
		wait := max(pause, min(retry.after, time.Minute))
		report.Note(fmt.Sprintf("%s: %v; trying again in %v", filepath.Base(f.Path), err, wait))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		pause *= 2
	}
}

// retryError is a failure that may pass.
type retryError struct {
	err   error
	after time.Duration // what the server asked for
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

// attempt makes one request for what is missing, and appends it to the part.
func (c *Client) attempt(ctx context.Context, f File, p *part, meter *meter) error {
	if p.size > 0 && (p.state.validator() == "" || p.state.Length < 0) { // nothing tells whether the rest is of the same file
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
	client := http.Client{Transport: c.Transport, CheckRedirect: stayEncrypted}
	if c.Transport == nil {
		client.Transport = transport
	}
	stall := orDefault(c.Stall, 30*time.Second)
	watchdog := time.AfterFunc(stall, func() { cancel(fmt.Errorf("%w: no byte for %v", ErrUnreachable, stall)) })
	defer watchdog.Stop()
	response, err := client.Do(request)
	if err != nil {
		return noAnswer(ctx, inner, err, p.size > 0)
	}
	defer func() { _ = response.Body.Close() }() // only read from
	if done, err := f.accept(response, p); done || err != nil {
		return err
	}
	meter.begin(p)
	body := &alive{response.Body, watchdog, stall}
	writeErr, err := p.append(io.LimitReader(body, f.MaxBytes-p.size+1), meter)
	switch {
	case writeErr != nil:
		return writeErr // a full disk does not pass by waiting
	case p.size > f.MaxBytes:
		p.discard()
		return fmt.Errorf("%w: more than %d bytes", ErrTooBig, f.MaxBytes)
	case err != nil:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &retryError{err: fmt.Errorf("%w, after %d bytes: %w", ErrIncomplete, p.size, err)}
	case p.state.Length >= 0 && p.size != p.state.Length:
		return &retryError{err: fmt.Errorf("%w: %d bytes of %d", ErrIncomplete, p.size, p.state.Length)}
	}
	return nil
}

// accept readies the part for the body of the response. Done means that the part is whole already.
func (f File) accept(r *http.Response, p *part) (done bool, err error) {
	switch {
	case r.StatusCode == http.StatusPartialContent && p.size > 0:
		start, total, ok := contentRange(r.Header.Get("Content-Range"))
		if !ok || start != p.size || total != p.state.Length {
			p.discard()
			return false, &retryError{err: errors.New("the server gave another part than it was asked for")}
		}
		return false, nil
	case r.StatusCode == http.StatusOK:
		if r.ContentLength > f.MaxBytes {
			return false, fmt.Errorf("%w: %d bytes, and the limit is %d", ErrTooBig, r.ContentLength, f.MaxBytes)
		}
		return false, p.restart(partState{URL: f.URL, ETag: r.Header.Get("ETag"), Modified: r.Header.Get("Last-Modified"), Length: r.ContentLength})
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable && p.size > 0:
		if p.size == p.state.Length && r.Header.Get("Content-Range") == fmt.Sprintf("bytes */%d", p.size) {
			return true, nil
		}
		p.discard()
		return false, &retryError{err: errors.New("the server has another file than before")}
	case r.StatusCode >= 500 || r.StatusCode == http.StatusRequestTimeout || r.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(r.Header.Get("Retry-After")) // a date counts as none
		return false, &retryError{fmt.Errorf("%w: it answers %s", ErrUnreachable, r.Status), time.Duration(max(0, min(seconds, 60))) * time.Second}
	}
	return false, fmt.Errorf("%w: it answers %s", ErrRefused, r.Status)
}

// noAnswer sorts the errors of the connection. Where not even a connection came
// about and nothing ever did, waiting is of no use: there is no network.
func noAnswer(ctx, inner context.Context, err error, before bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if cause := context.Cause(inner); cause != nil { // the watchdog
		return &retryError{err: cause}
	}
	var certificate *tls.CertificateVerificationError
	if errors.Is(err, errRedirect) || errors.As(err, &certificate) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	var dial *net.OpError
	var lookup *net.DNSError
	noNetwork := errors.As(err, &lookup) || errors.As(err, &dial) && (dial.Op == "dial" || dial.Op == "proxyconnect" || dial.Op == "socks connect")
	var named *url.Error // says the address once more
	if errors.As(err, &named) {
		err = named.Err
	}
	err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	if noNetwork && !before {
		return err
	}
	return &retryError{err: err}
}

// transport honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY, and gives up soon
// where there is no network. Files come as they are, so that ranges fit.
var transport = &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	TLSHandshakeTimeout:   10 * time.Second,
	ResponseHeaderTimeout: 30 * time.Second,
	IdleConnTimeout:       30 * time.Second,
	DisableCompression:    true,
	ForceAttemptHTTP2:     true,
}

var errRedirect = errors.New("a redirect that fx does not follow")

func stayEncrypted(request *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("%w: the tenth in a row", errRedirect)
	}
	if via[0].URL.Scheme == "https" && request.URL.Scheme != "https" {
		return fmt.Errorf("%w: from https to %s", errRedirect, request.URL.Scheme)
	}
	return nil
}

// contentRange reads "bytes 5-9/10" as 5 and 10.
func contentRange(header string) (start, total int64, ok bool) {
	rest, isBytes := strings.CutPrefix(header, "bytes ")
	window, size, hasSize := strings.Cut(rest, "/")
	first, _, hasFirst := strings.Cut(window, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	total, err2 := strconv.ParseInt(size, 10, 64)
	return start, total, isBytes && hasSize && hasFirst && err == nil && err2 == nil
}

// alive puts the watchdog off with every read that gives bytes.
type alive struct {
	io.Reader
	watchdog *time.Timer
	stall    time.Duration
}

func (a *alive) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	if n > 0 {
		a.watchdog.Reset(a.stall)
	}
	return n, err
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

func orDefault[T int | time.Duration](v, standard T) T {
	if v == 0 {
		return standard
	}
	return v
}
