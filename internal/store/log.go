package store

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fx/internal/durable"
)

// A log is a file of lines that a writer extends after every chunk. Each line ends in the CRC-32 of its text, so a line
// that was damaged or cut is ignored, and no other.

// logLine returns a line of a log. text ends in a space.
func logLine(text string) string {
	return fmt.Sprintf("%s%08x\n", text, crc32.ChecksumIEEE([]byte(text)))
}

// logText returns the text of a line without its checksum and the space before, if the line is not damaged.
func logText(line []byte) ([]byte, bool) {
	const sum = 9 // eight digits and a newline
	if len(line) < sum+1 || line[len(line)-1] != '\n' {
		return nil, false
	}
	text := line[:len(line)-sum]
	crc, err := strconv.ParseUint(string(line[len(text):len(line)-1]), 16, 32)
	if err != nil || uint32(crc) != crc32.ChecksumIEEE(text) {
		return nil, false
	}
	return text[:len(text)-1], true
}

// maxLine bounds the length of a line in bytes; a longer one counts as damaged.
const maxLine = 1 << 16

// eachLine calls f with the text of each line of the log at path that is not damaged. f must not keep the bytes. A log
// that can't be read has no lines.
func eachLine(path string, f func(text []byte)) {
	file, err := durable.OpenToRead(path)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }() // only read
	r := bufio.NewReaderSize(file, maxLine)
	for {
		line, err := r.ReadSlice('\n')
		if text, ok := logText(line); ok {
			f(text)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// logsIn returns the paths of the logs in dir whose names begin with prefix.
func logsIn(dir, prefix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var logs []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), prefix) && !durable.IsTemporary(e.Name()) {
			logs = append(logs, filepath.Join(dir, e.Name()))
		}
	}
	return logs, nil
}

// logsOf is logsIn with the logs of parts, which have lines of every kind.
func logsOf(dir, prefix string) ([]string, error) {
	logs, err := logsIn(dir, prefix)
	if err != nil {
		return nil, err
	}
	parts, err := partLogs(dir)
	return append(logs, parts...), err
}

// appendLog appends lines to the log at path.
func appendLog(path, lines string) error {
	if lines == "" {
		return nil
	}
	f, err := durable.OpenAppend(path)
	if err != nil {
		return err
	}
	_, err = f.WriteString(lines)
	return errors.Join(err, f.Close())
}
