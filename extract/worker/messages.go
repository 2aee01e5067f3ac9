package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"fx/internal/arrowmeta"
)

// Limits of an Arrow message: more is damage, or would need too much memory.
const (
	maxMetadata = 64 << 20
	maxBody     = 2 << 30
)

// messages are the messages of an Arrow stream.
type messages struct{ from io.Reader }

func (*messages) Retain()  {}
func (*messages) Release() {}

// Message returns the next message, or io.EOF after the last one.
func (m *messages) Message() (*ipc.Message, error) {
	const continued = 0xffffffff
	var prefix [8]byte
	if _, err := io.ReadFull(m.from, prefix[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(prefix[4:])
	switch {
	case binary.LittleEndian.Uint32(prefix[:]) != continued:
		return nil, errors.New("a message does not begin as one")
	case length == 0:
		return nil, io.EOF
	case length > maxMetadata:
		return nil, fmt.Errorf("the metadata of a message has %d bytes", length)
	}
	metadata := make([]byte, length)
	if err := readAll(m.from, metadata); err != nil {
		return nil, err
	}
	if err := arrowmeta.Check(metadata); err != nil {
		return nil, err
	}
	size := ipc.NewMessage(memory.NewBufferBytes(metadata), memory.NewBufferBytes(nil)).BodyLen()
	if size < 0 || size > maxBody {
		return nil, fmt.Errorf("a message of %d bytes", size)
	}
	body := make([]byte, size)
	if err := readAll(m.from, body); err != nil {
		return nil, err
	}
	return ipc.NewMessage(memory.NewBufferBytes(metadata), memory.NewBufferBytes(body)), nil
}

// readAll fills data, at whose end the stream must not have ended.
func readAll(from io.Reader, data []byte) error {
	if _, err := io.ReadFull(from, data); errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return nil
}
