#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif
#define LANES 8
#define ISA_NAME "avx2"
#define RESAMPLER fx_resampler_avx2
#include "resample.inc.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
