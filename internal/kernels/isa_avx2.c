#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define LANES 8
#define ISA_NAME "avx2"
#define ISA fx_isa_avx2
#include "isa.inc.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
