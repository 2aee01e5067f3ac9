#include "cpu.h"
#include "resample.h"

const fx_resampler *fx_resamplers(int i) {
  const fx_resampler *found[4] = {0};
  int n = 0;
#if defined(__x86_64__)
  int vectors = fx_cpu_vectors();
  if (vectors & FX_AVX512) found[n++] = &fx_resampler_avx512;
  if (vectors & FX_AVX2) found[n++] = &fx_resampler_avx2;
#endif
  found[n++] = &fx_resampler_generic;
  return i < n ? found[i] : NULL;
}
