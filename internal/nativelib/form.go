package nativelib

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"fx/internal/durable"
)

// form is what a file is, by its first bytes.
type form int

const (
	formUnknown form = iota
	formZip          // a .zip or a wheel
	formGzip
	formLibrary // of any system
	formPage    // HTML or XML
)

// formOf reads the first bytes of a file.
func formOf(path string) (form, error) {
	head, err := headOf(path)
	switch {
	case err != nil:
		return formUnknown, err
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return formZip, nil
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return formGzip, nil
	case hasLibraryHeader(head):
		return formLibrary, nil
	case bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))), []byte("<")):
		return formPage, nil
	}
	return formUnknown, nil
}

// Magic numbers of libraries: Linux's ELF, macOS's Mach-O for one processor and for several, Windows's PE.
const (
	magicELF   = "\x7fELF"
	magicMachO = "\xcf\xfa\xed\xfe"
	magicFat   = "\xca\xfe\xba\xbe"
	magicPE    = "MZ"
)

func hasLibraryHeader(head []byte) bool {
	for _, magic := range []string{magicELF, magicMachO, magicFat, magicPE} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return false
}

// systemOf returns the system of a library, such as "linux/arm64", or "" if it is unknown. The loader's message about
// a library of another processor is that the file does not exist.
func systemOf(path string) string {
	head, err := headOf(path)
	if err != nil || !hasLibraryHeader(head) {
		return ""
	}
	at := func(offset int) uint32 { // little-endian; 0 outside the head
		if offset < 0 || offset+4 > len(head) {
			return 0
		}
		return binary.LittleEndian.Uint32(head[offset:])
	}
	switch string(head[:2]) {
	case magicELF[:2]: // e_machine
		return map[uint32]string{62: "linux/amd64", 183: "linux/arm64"}[at(18)&0xffff]
	case magicMachO[:2]: // cputype
		return map[uint32]string{0x0100_0007: "darwin/amd64", 0x0100_000c: "darwin/arm64"}[at(4)]
	case magicPE: // Machine, behind the signature "PE\0\0" at the offset in e_lfanew
		return map[uint32]string{0x8664: "windows/amd64", 0xaa64: "windows/arm64"}[at(int(at(0x3c))+4)&0xffff]
	}
	return "" // Mach-O for several processors
}

// headOf returns at most the first 4 KiB of a regular file.
func headOf(path string) ([]byte, error) {
	f, err := durable.Open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	head := make([]byte, 4<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}
