package hub

import (
	"cmp"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fx/internal/fail"
	"fx/internal/userfile"
)

// settings are those of the environment. Source: huggingface_hub, constants.py.
type settings struct {
	endpoint  string // without a slash at its end
	cache     string // the user's hub cache
	tokenPath string
	offline   bool

	token, tokenFrom string // see readToken
}

func readSettings() (settings, error) {
	home := expand(os.Getenv("HF_HOME"))
	if home == "" {
		base := os.Getenv("XDG_CACHE_HOME")
		if user, err := os.UserHomeDir(); base == "" && err == nil {
			base = filepath.Join(user, ".cache")
		}
		home = filepath.Join(base, "huggingface")
	}
	s := settings{
		endpoint:  strings.TrimRight(cmp.Or(os.Getenv("HF_ENDPOINT"), "https://huggingface.co"), "/"),
		cache:     cmp.Or(expand(os.Getenv("HF_HUB_CACHE")), filepath.Join(home, "hub")),
		tokenPath: cmp.Or(expand(os.Getenv("HF_TOKEN_PATH")), filepath.Join(home, "token")),
		offline: slices.Contains([]string{"1", "ON", "YES", "TRUE"},
			strings.ToUpper(os.Getenv("HF_HUB_OFFLINE"))),
	}
	at, err := url.Parse(s.endpoint)
	if err != nil || at.Scheme != "https" && at.Scheme != "http" || at.Host == "" || at.User != nil ||
		at.RawQuery != "" || at.Fragment != "" { // err would repeat a password
		return s, fail.New(fail.Usage, "Set it to an address such as https://huggingface.co, or unset it. A token "+
			"belongs into HF_TOKEN.", "HF_ENDPOINT is not the address of a hub")
	}
	return s, nil
}

// readToken sets token to HF_TOKEN, else to what the token file has, else to "", and tokenFrom to the source for
// messages.
func (s *settings) readToken() error {
	s.token, s.tokenFrom = strings.TrimSpace(os.Getenv("HF_TOKEN")), "HF_TOKEN"
	if s.token == "" {
		text, err := userfile.Read(s.tokenPath, 4096)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail.Wrap(fail.Usage, err, "Let fx read the file, or set HF_TOKEN.", "the hub's token")
		}
		s.token, s.tokenFrom = strings.TrimSpace(string(text)), s.tokenPath
	}
	if strings.ContainsFunc(s.token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fail.New(fail.Usage, "A token is one word that begins with hf_.", "%s does not contain a token",
			s.tokenFrom)
	}
	return nil
}

// expand replaces variables and ~ as huggingface_hub does.
func expand(path string) string {
	path = os.ExpandEnv(path)
	if rest, found := strings.CutPrefix(path, "~"); found && (rest == "" || os.IsPathSeparator(rest[0])) {
		if home, err := os.UserHomeDir(); err == nil {
			return home + rest
		}
	}
	return path
}
