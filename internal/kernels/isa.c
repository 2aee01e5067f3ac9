#include <stdlib.h>
#include <string.h>

#include "kernels.h"

static const fx_isa *widest(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return &fx_isa_avx512;
  if (avx2) return &fx_isa_avx2;
#endif
  return &fx_isa_generic;
}

const fx_isa *fx_best_isa(void) {
  const fx_isa *best = widest();
  const char *wanted = getenv("FX_KERNELS_ISA");
  if (wanted && strcmp(wanted, "generic") == 0) return &fx_isa_generic;
#if defined(__x86_64__)
  if (wanted && strcmp(wanted, "avx2") == 0 && best != &fx_isa_generic) return &fx_isa_avx2;
#endif
  return best;
}
