package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
)

const authorization = "Authorization"

// authorize adds the token to a request, unless it is "".
func authorize(request *http.Request, token string) {
	if token != "" {
		request.Header.Set(authorization, "Bearer "+token)
	}
}

var errRedirect = errors.New("a redirect that fx does not follow")

// stayEncrypted follows redirects, but not out of https, and takes the token to no other host. net/http itself would
// take it to another port and to every subdomain.
func stayEncrypted(request *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("%w: the tenth in a row", errRedirect)
	}
	if via[0].URL.Scheme == "https" && request.URL.Scheme != "https" {
		return fmt.Errorf("%w: from https to %s", errRedirect, request.URL.Scheme)
	}
	request.Header.Del("Referer") // may be a presigned address
	if !sameHost(request, via[0]) {
		request.Header.Del(authorization)
	}
	return nil
}

// stayOnHost follows redirects as stayEncrypted does, as long as they stay on the host.
func stayOnHost(request *http.Request, via []*http.Request) error {
	if !sameHost(request, via[0]) {
		return http.ErrUseLastResponse
	}
	return stayEncrypted(request, via)
}

func sameHost(a, b *http.Request) bool {
	return a.URL.Scheme == b.URL.Scheme && a.URL.Host == b.URL.Host
}

// withoutQueries is an error whose text has no queries of addresses: that of a presigned address is a secret.
type withoutQueries struct{ error }

var query = regexp.MustCompile(`\?[^\s"]+`)

func (e *withoutQueries) Error() string { return query.ReplaceAllString(e.error.Error(), "?…") }
func (e *withoutQueries) Unwrap() error { return e.error }
