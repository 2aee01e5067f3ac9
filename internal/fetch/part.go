package fetch

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"fx/internal/durable"
)

// part is an incomplete download: NAME.part, and NAME.part.json, which identifies the server's file.
type part struct {
	path    string
	file    *os.File
	size    int64
	resumed int64 // how much of it an earlier run left
	emptied int   // how often bytes were thrown away
	state   partState
}

const partVersion = 1

type partState struct {
	Version  int    `json:"version"`
	URL      string `json:"url"`
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"last_modified,omitempty"`
	Length   int64  `json:"length"` // of the whole file, or -1 if the server did not declare it
}

// validator returns the If-Range value with which a server sends the rest of the same file only, or "" if the server
// identified the file in no way.
func (s partState) validator() string {
	if s.ETag != "" && !strings.HasPrefix(s.ETag, "W/") { // a weak tag does not promise the same bytes
		return s.ETag
	}
	return s.Modified
}

// openPart opens the part that an earlier run left, or an empty one. The caller must hold the lock of the file.
func openPart(target, url string) (*part, error) {
	p := &part{path: target + ".part"}
	var err error
	if p.file, err = durable.Open(p.path, os.O_RDWR|os.O_CREATE); err != nil {
		return nil, err
	}
	if p.size, err = p.file.Seek(0, io.SeekEnd); err != nil {
		p.close()
		return nil, err
	}
	text, err := durable.ReadFile(p.path + ".json")
	if err == nil {
		err = json.Unmarshal(text, &p.state)
	}
	usable := err == nil && p.state.Version == partVersion && p.state.URL == url && p.size <= p.state.Length
	if usable {
		p.resumed = p.size
		return p, nil
	}
	if err := p.truncate(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// restart empties the part for the file that state describes.
func (p *part) restart(state partState) error {
	if err := p.truncate(); err != nil {
		return err
	}
	state.Version = partVersion
	p.state = state
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := durable.RemoveStaleOf(p.path + ".json"); err != nil {
		return err
	}
	return durable.WriteBytes(p.path+".json", text)
}

func (p *part) truncate() error {
	if p.size > 0 {
		p.emptied++
	}
	p.size, p.resumed = 0, 0
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	_, err := p.file.Seek(0, io.SeekStart)
	return err
}

// append copies the body to the part's end. It returns failures to write and to read separately.
func (p *part) append(body io.Reader, meter *meter) (writeErr, readErr error) {
	block := make([]byte, 256<<10)
	for {
		n, err := body.Read(block)
		if n > 0 {
			written, writeErr := p.file.Write(block[:n])
			p.size += int64(written)
			meter.add(int64(written))
			if writeErr != nil {
				return writeErr, nil
			}
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *part) sync() error { return p.file.Sync() }

// close closes the file, and removes it if it is empty. Callers sync it where that matters.
func (p *part) close() {
	_ = p.file.Close()
	if p.size == 0 {
		_ = os.Remove(p.path)
		p.forget()
	}
}

// discard empties the part, whose bytes are useless.
func (p *part) discard() {
	_ = p.truncate() // if this fails, the next run finds no state and truncates again
	p.forget()
	p.state = partState{Length: -1}
}

// forget removes the state, and the part unless it was renamed.
func (p *part) forget() { _ = os.Remove(p.path + ".json") } // without a part it is ignored
