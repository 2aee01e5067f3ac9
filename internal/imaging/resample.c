#include "resample.h"

const fx_resampler *fx_resamplers(int i) {
  const fx_resampler *found[4] = {0};
  int n = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      found[n++] = &fx_resampler_avx512;
    found[n++] = &fx_resampler_avx2;
  }
#endif
  found[n++] = &fx_resampler_generic;
  return i < n ? found[i] : NULL;
}
