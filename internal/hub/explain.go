package hub

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"fx/internal/fail"
	"fx/internal/fetch"
)

// Errors of Fetch for errors.Is.
var (
	ErrNoFile  = errors.New("no such file in the repository")
	ErrOffline = errors.New("HF_HUB_OFFLINE is set")
)

// resetSeconds finds the 55 of `"api";r=0;t=55`. Source: draft-ietf-httpapi-ratelimit-headers.
var resetSeconds = regexp.MustCompile(`;\s*t=(\d{1,6})`)

// size returns the length of the file that an answer describes.
func size(header http.Header) (int64, error) {
	text := header.Get("X-Linked-Size")
	if text == "" && header.Get("Location") == "" {
		text = header.Get("Content-Length")
	}
	if text == "" {
		return 0, nil // not stated
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("states the length %.40q", text)
	}
	return n, nil
}

// explain adds to a refusal of the hub what it means there, and what to do. Source: huggingface_hub, utils/_http.py.
func (r *Repo) explain(err error, file string) error {
	var refused *fetch.StatusError
	if !errors.As(err, &refused) {
		return err
	}
	page, code := r.endpoint+"/"+r.Name, refused.Header.Get("X-Error-Code")
	tokens := r.endpoint + "/settings/tokens"
	message, hint := "", ""
	switch {
	case "//"+refused.Host != r.endpoint[strings.Index(r.endpoint, "//"):] && refused.Code < 500:
		message = fmt.Sprintf("%s, to which the hub sends for the file, refuses it", refused.Host)
		hint = "Run the command again: the hub then gives another address."
	case code == "GatedRepo" && r.token == "":
		message = fmt.Sprintf("%s is gated: its authors give it to those who accept their licence", r.Name)
		hint = fmt.Sprintf("Accept the licence at %s, make a token at %s, and set HF_TOKEN to it.", page, tokens)
	case code == "GatedRepo" || refused.Code == http.StatusForbidden && r.token != "":
		message = fmt.Sprintf("the account of the token in %s may not read %s", r.tokenFrom, r.Name)
		hint = fmt.Sprintf("Log in with this account at %s and accept the licence there. A token with fine-grained "+
			"permissions (%s) must allow to read gated repositories.", page, tokens)
	case refused.Code == http.StatusForbidden:
		message = fmt.Sprintf("%s may not be read without a token", r.Name)
		hint = fmt.Sprintf("Accept the licence at %s, make a token at %s, and set HF_TOKEN to it.", page, tokens)
	case refused.Code == http.StatusUnauthorized && r.token != "":
		message = fmt.Sprintf("the hub does not accept the token in %s, or its account may not read %s", r.tokenFrom,
			r.Name)
		hint = fmt.Sprintf("Make a new token at %s. Public repositories need none.", tokens)
	case refused.Code == http.StatusUnauthorized: // the answer for missing repositories too
		message = fmt.Sprintf("%s does not exist, or is private or gated", r.Name)
		hint = fmt.Sprintf("Look at %s. If it is there for your account, make a token at %s, and set HF_TOKEN to it.",
			page, tokens)
	case code == "EntryNotFound":
		err = fmt.Errorf("%w: %w", ErrNoFile, err)
		message = fmt.Sprintf("%s has no file %s", r.Name, file)
		hint = fmt.Sprintf("Look at %s/tree/main.", page)
	case code == "RevisionNotFound":
		message = fmt.Sprintf("%s has the commit %s no longer", r.Name, r.Commit)
		hint = fmt.Sprintf("Look at %s.", page)
		if path, err := commitPath(r.Name); err == nil {
			hint = fmt.Sprintf("Look at %s. Delete %s to take its present commit.", page, path)
		}
	case refused.Code == http.StatusNotFound:
		message = fmt.Sprintf("%s has no %s, or does not exist", r.Name, file)
		hint = fmt.Sprintf("Look at %s.", page)
	case refused.Code == http.StatusTooManyRequests:
		message = "the hub limits how often it is asked"
		hint = "Wait some minutes, and run the command again."
		if m := resetSeconds.FindStringSubmatch(refused.Header.Get("RateLimit")); m != nil {
			hint = fmt.Sprintf("Wait %s seconds, and run the command again.", m[1])
		}
		if r.token == "" {
			hint += fmt.Sprintf(" With a token (%s) in HF_TOKEN more is allowed.", tokens)
		}
	case refused.Code >= 500:
		message = "the hub has a fault"
		hint = "Run the command again later: a download goes on from where it stopped."
	default:
		return err
	}
	return fail.Wrap(fail.Other, err, hint, "%s", message)
}
