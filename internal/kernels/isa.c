#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "kernels.h"

static const fx_isa *widest(void) {
#if defined(__x86_64__)
  int vectors = fx_cpu_vectors();
  if (vectors & FX_AVX512) return &fx_isa_avx512;
  if (vectors & FX_AVX2) return &fx_isa_avx2;
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
