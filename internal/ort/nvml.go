package ort

/*
typedef struct {
  int (*init)(void);
  int (*version)(char *text, unsigned length);
  int (*shutdown)(void);
} fx_nvml;

static int fx_nvml_version(const fx_nvml *nvml, char *text, unsigned length) {
  int error = nvml->init();
  if (error) return error;
  error = nvml->version(text, length);
  nvml->shutdown();
  return error;
}
*/
import "C"

import (
	"runtime"
	"unsafe"
)

// driverNumber asks NVIDIA's management library for the driver's own number,
// such as "580.65.06"; "" where it cannot be had.
func driverNumber() string {
	name := "libnvidia-ml.so.1"
	if runtime.GOOS == "windows" {
		name = "nvml.dll"
	}
	opened, err := openShared(name, false)
	if err != nil {
		return ""
	}
	defer opened.close()
	var nvml C.fx_nvml
	for symbol, to := range map[string]unsafe.Pointer{
		"nvmlInit_v2": unsafe.Pointer(&nvml.init), "nvmlSystemGetDriverVersion": unsafe.Pointer(&nvml.version),
		"nvmlShutdown": unsafe.Pointer(&nvml.shutdown),
	} {
		at := opened.symbol(symbol)
		if at == nil {
			return ""
		}
		*(*unsafe.Pointer)(to) = at
	}
	var text [96]C.char
	if C.fx_nvml_version(&nvml, &text[0], C.uint(len(text)-1)) != 0 {
		return ""
	}
	return C.GoString(&text[0])
}
