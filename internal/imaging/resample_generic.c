// Vectors of 16 bytes, which every processor has: SSE2, NEON.
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#include <arm_neon.h>
#define NEON
#endif
#define LANES 4
#define ISA_NAME "generic"
#define RESAMPLER fx_resampler_generic
#include "resample.inc.h"
