#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,prefer-vector-width=512")
#endif
#define LANES 16
#define ISA_NAME "avx512"
#define RESAMPLER fx_resampler_avx512
#include "resample.inc.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
