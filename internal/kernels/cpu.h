// The vector instructions that the processor and the system support, also for package imaging. The compilers' own
// __builtin_cpu_supports finds none in programs that zig links.
#ifndef FX_CPU_H
#define FX_CPU_H
#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

enum { FX_AVX2 = 1, FX_AVX512 = 2 }; // AVX2 with FMA; AVX-512 F, BW, DQ and VL

static inline int fx_cpu_vectors(void) {
  uint32_t a, b, c, d, low, high;
  const uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (fma | osxsave | avx)) != (fma | osxsave | avx)) return 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0)); // the registers that the system saves
  if ((low & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 5)) return 0;
  const uint32_t f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
  if ((low & 0xe6) != 0xe6 || (b & (f | dq | bw | vl)) != (f | dq | bw | vl)) return FX_AVX2;
  return FX_AVX2 | FX_AVX512;
}
#endif
#endif
