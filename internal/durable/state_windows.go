package durable

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// StateOf returns the state of an open file.
func StateOf(f *os.File) (State, error) {
	handle := windows.Handle(f.Fd())
	var file windows.ByHandleFileInformation
	var times struct { // FILE_BASIC_INFO: times in units of 100 ns since 1601
		created, accessed, modified, changed windows.Filetime
		attributes                           uint32
		_                                    uint32
	}
	err := windows.GetFileInformationByHandle(handle, &file)
	if err == nil {
		err = windows.GetFileInformationByHandleEx(handle, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&times)),
			uint32(unsafe.Sizeof(times)))
	}
	if err != nil {
		return State{}, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return State{
		Device:   uint64(file.VolumeSerialNumber),
		Inode:    uint64(file.FileIndexHigh)<<32 | uint64(file.FileIndexLow),
		Size:     int64(file.FileSizeHigh)<<32 | int64(file.FileSizeLow),
		Modified: times.modified.Nanoseconds(),
		Changed:  times.changed.Nanoseconds(),
	}, nil
}
