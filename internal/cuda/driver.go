package cuda

/*
#include <stdint.h>
#include <string.h>

// Functions of the CUDA driver's C API that describe the devices.
typedef struct {
  int (*init)(unsigned flags);
  int (*driver_version)(int *version);
  int (*device_count)(int *count);
  int (*device_get)(int *device, int ordinal);
  int (*device_name)(char *name, int length, int device);
  int (*device_memory)(size_t *bytes, int device);
  int (*device_attribute)(int *value, int attribute, int device);
} fx_cuda;

enum { CapabilityMajor = 75, CapabilityMinor = 76 };

static int fx_cuda_count(const fx_cuda *cuda, int *version, int *count) {
  int error = cuda->init(0);
  if (!error) error = cuda->driver_version(version);
  if (!error) error = cuda->device_count(count);
  return error;
}

static int fx_cuda_device(const fx_cuda *cuda, int ordinal, char *name, int length, uint64_t *memory,
                          int *major, int *minor) {
  int device = 0;
  size_t bytes = 0;
  int error = cuda->device_get(&device, ordinal);
  if (!error) error = cuda->device_name(name, length, device);
  if (!error) error = cuda->device_memory(&bytes, device);
  if (!error) error = cuda->device_attribute(major, CapabilityMajor, device);
  if (!error) error = cuda->device_attribute(minor, CapabilityMinor, device);
  *memory = bytes;
  return error;
}
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	"fx/internal/dynlib"
	"fx/internal/fail"
)

// GPU is an NVIDIA device as its driver describes it.
type GPU struct {
	ID          int    `json:"id"`
	Name        string `json:"name"`
	MemoryBytes int64  `json:"memory_bytes"`
	Capability  string `json:"compute_capability"` // such as "9.0"
}

// String returns a text such as "NVIDIA H100 80GB HBM3 (80 GiB)".
func (g GPU) String() string {
	return fmt.Sprintf("%s (%d GiB)", g.Name, (g.MemoryBytes+1<<29)>>30)
}

// driverName is the library of NVIDIA's driver.
func driverName() string {
	if runtime.GOOS == "windows" {
		return "nvcuda.dll"
	}
	return "libcuda.so.1"
}

// Installed reports whether NVIDIA's driver library can be opened.
func Installed() bool {
	opened, err := dynlib.Open(driverName(), false)
	if err == nil {
		opened.Close()
	}
	return err == nil
}

// Driver is what NVIDIA's driver reports.
type Driver struct {
	Major, Minor int   // the newest CUDA that it supports; 0 if unknown
	GPUs         []GPU // in CUDA's order
}

// CUDA returns the newest CUDA that the driver supports, such as "13.0".
func (d Driver) CUDA() string { return fmt.Sprintf("%d.%d", d.Major, d.Minor) }

const driverAdvice = "Install NVIDIA's driver (in a container: start it with --gpus all), or use --device cpu."

// Errors of the driver's functions if no GPU can be used.
var driverErrors = map[C.int]string{
	3:   "the driver is not initialized",
	34:  "the driver is a stub library",
	35:  "the driver is too old for the GPU",
	100: "no GPU is visible (is CUDA_VISIBLE_DEVICES set?)",
	101: "the GPU is no valid device",
	802: "the GPU's fabric is not ready",
	803: "kernel module and driver library are of different versions (reboot after a driver update)",
	804: "forward compatibility is not supported by the GPU",
	999: "unknown error of the driver (often after suspend, or a missing nvidia_uvm module)",
}

func driverFailed(code C.int) error {
	text, ok := driverErrors[code]
	if !ok {
		text = fmt.Sprintf("the NVIDIA driver fails with CUDA error %d", int(code))
	}
	return fail.New(fail.Device, "Check the output of `nvidia-smi`. "+driverAdvice, "%s", text)
}

// openDriver opens NVIDIA's driver and binds the functions. The library stays open, because CUDA cannot be unloaded
// once started.
func openDriver(functions map[string]unsafe.Pointer) error {
	opened, err := dynlib.Open(driverName(), false)
	if err != nil {
		return fail.New(fail.Device, driverAdvice, "no NVIDIA driver (%s not found)", driverName())
	}
	return fail.Wrap(fail.Device, opened.Bind(functions), driverAdvice, "the NVIDIA driver's %s", driverName())
}

// Ask starts the driver and lists its devices. Errors are of kind fail.Device; the result has what preceded them.
func Ask() (Driver, error) {
	var d Driver
	var api C.fx_cuda
	if err := openDriver(map[string]unsafe.Pointer{
		"cuInit": unsafe.Pointer(&api.init), "cuDriverGetVersion": unsafe.Pointer(&api.driver_version),
		"cuDeviceGetCount": unsafe.Pointer(&api.device_count), "cuDeviceGet": unsafe.Pointer(&api.device_get),
		"cuDeviceGetName": unsafe.Pointer(&api.device_name), "cuDeviceTotalMem_v2": unsafe.Pointer(&api.device_memory),
		"cuDeviceGetAttribute": unsafe.Pointer(&api.device_attribute),
	}); err != nil {
		return d, err
	}
	var err error
	KeepSignals(func() { err = d.read(&api) })
	return d, err
}

func (d *Driver) read(api *C.fx_cuda) error {
	var version, count C.int
	if code := C.fx_cuda_count(api, &version, &count); code != 0 {
		return driverFailed(code)
	}
	d.Major, d.Minor = int(version)/1000, int(version)%1000/10
	for i := range int(count) {
		var name [256]C.char
		var memory C.uint64_t
		var major, minor C.int
		if code := C.fx_cuda_device(api, C.int(i), &name[0], C.int(len(name)-1), &memory, &major, &minor); code != 0 {
			return driverFailed(code)
		}
		d.GPUs = append(d.GPUs, GPU{
			ID: i, Name: C.GoString(&name[0]), MemoryBytes: int64(memory),
			Capability: fmt.Sprintf("%d.%d", int(major), int(minor)),
		})
	}
	if len(d.GPUs) == 0 {
		return driverFailed(100)
	}
	return nil
}
