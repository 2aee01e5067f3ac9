package cuda

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

	"fx/internal/dynlib"
)

// DriverNumber returns the driver's version from NVIDIA's management library, such as "580.65.06", or "" if that
// library is not available.
func DriverNumber() string {
	name := "libnvidia-ml.so.1"
	if runtime.GOOS == "windows" {
		name = "nvml.dll"
	}
	opened, err := dynlib.Open(name, false)
	if err != nil {
		return ""
	}
	defer opened.Close()
	var nvml C.fx_nvml
	var text [96]C.char
	if err := opened.Bind(map[string]unsafe.Pointer{
		"nvmlInit_v2": unsafe.Pointer(&nvml.init), "nvmlSystemGetDriverVersion": unsafe.Pointer(&nvml.version),
		"nvmlShutdown": unsafe.Pointer(&nvml.shutdown),
	}); err != nil || C.fx_nvml_version(&nvml, &text[0], C.uint(len(text)-1)) != 0 {
		return ""
	}
	return C.GoString(&text[0])
}
