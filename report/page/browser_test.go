package page

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fx/internal/testenv"
)

// browser is a headless Chromium that is driven by its DevTools protocol
// (chromedevtools.github.io/devtools-protocol) over two pipes.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	session string
	id      int
	events  []event
}

type event struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// chromium finds the browser: FX_CHROMIUM, else by name.
func chromium(t *testing.T) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"}
	if named := os.Getenv("FX_CHROMIUM"); named != "" {
		names = []string{named}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	testenv.Lacks(t, testenv.Browser, "no browser here (%s): install Chromium, or name one with FX_CHROMIUM",
		strings.Join(names, ", "))
	return ""
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	read, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// --no-sandbox, since tests in a container run as root.
	cmd := exec.Command(chromium(t), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
		"--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{read, write} // its descriptors 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = read.Close(), write.Close() // the child has its own
	killer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	b := &browser{t: t, to: to, from: bufio.NewReaderSize(from, 1<<20)}
	t.Cleanup(func() {
		killer.Stop()
		b.call("Browser.close", nil, nil)
		_ = cmd.Wait() // killed or not, it is gone
		_, _ = to.Close(), from.Close()
	})
	var target struct{ TargetID, SessionID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call runs a method and reads its result, keeping the events that come before it.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" && method != "Browser.close" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Errorf("%s: %v", method, err)
		return
	}
	for {
		answer, ok := b.next()
		if !ok {
			return
		}
		if answer.ID != b.id {
			continue
		}
		if answer.Error != nil {
			b.t.Fatalf("%s: %s", method, answer.Error)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

type answer struct {
	event
	ID     int
	Result json.RawMessage
	Error  json.RawMessage
}

// next reads a message. ok is false when the browser is gone.
func (b *browser) next() (a answer, ok bool) {
	text, err := b.from.ReadBytes(0)
	if err != nil {
		b.t.Errorf("the browser ended: %v", err)
		return a, false
	}
	if err := json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &a); err != nil {
		b.t.Errorf("%v in %.200s", err, text)
		return a, false
	}
	if a.Method != "" {
		b.events = append(b.events, a.event)
	}
	return a, true
}

// open loads a file in a window of the width and waits until its diagrams are drawn.
func (b *browser) open(path string, width, height int) {
	b.t.Helper()
	b.load(path, width, height)
	b.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))", nil)
}

// load loads a file in a window of the width.
func (b *browser) load(path string, width, height int) {
	b.t.Helper()
	b.events = nil
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height,
		"deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call("Page.navigate", map[string]any{"url": "file://" + path}, nil)
	for loaded := false; !loaded; {
		for _, e := range b.events {
			loaded = loaded || e.Method == "Page.loadEventFired"
		}
		if !loaded {
			if _, ok := b.next(); !ok {
				b.t.FailNow()
			}
		}
	}
}

// evaluate runs JavaScript, awaits what it promises and reads its value.
func (b *browser) evaluate(script string, value any) {
	b.t.Helper()
	var said struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}, &said)
	if said.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", script, said.ExceptionDetails)
	}
	if value != nil {
		if err := json.Unmarshal(said.Result.Value, value); err != nil {
			b.t.Fatalf("%s: %v in %s", script, err, said.Result.Value)
		}
	}
}

// count is the number of elements that a selector finds.
func (b *browser) count(selector string) int {
	b.t.Helper()
	n := 0
	b.evaluate(fmt.Sprintf("document.querySelectorAll(%q).length", selector), &n)
	return n
}

// complaints are the errors and warnings that the page logged, and whatever it
// asked of a network.
func (b *browser) complaints() []string {
	var all []string
	for _, e := range b.events {
		switch e.Method {
		case "Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled":
			all = append(all, string(e.Params))
		case "Network.requestWillBeSent":
			var of struct{ Request struct{ URL string } }
			if err := json.Unmarshal(e.Params, &of); err != nil {
				b.t.Fatal(err)
			}
			if u := of.Request.URL; !strings.HasPrefix(u, "file:") && !strings.HasPrefix(u, "data:") {
				all = append(all, "asks for "+u)
			}
		}
	}
	return all
}

// screenshot writes the whole page as a PNG.
func (b *browser) screenshot(path string) {
	b.t.Helper()
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
