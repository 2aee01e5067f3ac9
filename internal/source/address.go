package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Address is the https:// or http:// address of a photo.
type Address struct {
	url  string
	name string // without a query, which may be a secret
	rel  string
}

// IsAddress reports whether a path of a list is the address of a photo.
func IsAddress(path string) bool {
	return strings.HasPrefix(path, "https://") || strings.HasPrefix(path, "http://")
}

// NewAddress returns the photo at an address.
func NewAddress(address string) (*Address, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("it is no address") // without the text, which may contain a secret
	}
	query := u.Query()
	u.RawQuery, u.Fragment, u.User = "", "", nil
	a := &Address{url: address, name: u.String()}
	a.rel = a.name
	isSigned := slices.ContainsFunc(signatures, query.Has)
	if len(query) > 0 && !isSigned {
		sum := sha256.Sum256([]byte(query.Encode()))
		a.rel += "?" + hex.EncodeToString(sum[:6])
	}
	return a, nil
}

// signatures are the fields of queries that sign an address for some time. Such a query does not tell photos apart.
var signatures = []string{"X-Amz-Signature", "X-Goog-Signature", "Signature", "sig"}

// Rel identifies the photo among others without any secret: the address, with a hash of the query if there is one that
// does not only sign.
func (a *Address) Rel() string { return a.rel }

// String returns the address without its query.
func (a *Address) String() string { return a.name }

// usualSize is the size in bytes that is expected of a photo before its server has been asked.
const usualSize = 1 << 20

// Stat describes what is known before the photo is requested, which is little.
func (a *Address) Stat() (Stat, error) { return Stat{Size: usualSize}, nil }

// Open requests the photo.
func (a *Address) Open() (Content, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		cancel()
		return nil, withoutQuery(err)
	}
	answer, err := (&http.Client{Transport: transport()}).Do(request)
	if err != nil {
		cancel()
		return nil, withoutQuery(err)
	}
	stat := Stat{Size: answer.ContentLength}
	switch {
	case answer.StatusCode == http.StatusOK && stat.Size >= 0:
		return &fetched{ReadCloser: answer.Body, cancel: cancel, stat: func() (Stat, error) { return stat, nil }}, nil
	case answer.StatusCode == http.StatusOK: // it does not say how long the photo is
		defer cancel()
		return whole(answer.Body)
	case retried(answer.StatusCode):
		err = fmt.Errorf("the server answers %s", answer.Status)
		pause(answer.Header.Get("Retry-After"))
	default:
		err = &Damaged{"the server answers " + answer.Status}
	}
	_ = answer.Body.Close() // nothing was read
	cancel()
	return nil, err
}

// whole returns all of a body of unknown length.
func whole(body io.ReadCloser) (Content, error) {
	data, err := io.ReadAll(io.LimitReader(body, longestAhead+1))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, withoutQuery(err)
	}
	if len(data) > longestAhead {
		const most = longestAhead >> 20
		return nil, &Damaged{fmt.Sprintf("it is longer than %d MiB, and the server does not say how long", most)}
	}
	b := Bytes{Data: data}
	return b.Open()
}

// retried reports whether a request with this answer is repeated.
func retried(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

// pause waits as long as a server asks for, at most some seconds.
func pause(after string) {
	if wait, err := time.ParseDuration(after + "s"); err == nil && wait > 0 {
		time.Sleep(min(wait, 5*time.Second))
	}
}

// Remote reports whether reading the source takes a request, so that it is worth to begin before it is needed.
func Remote(s Source) bool {
	switch s.(type) {
	case *object, *Address:
		return true
	}
	return false
}
