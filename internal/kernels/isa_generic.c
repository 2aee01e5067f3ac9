// Vectors of 16 bytes, which every processor has: SSE2, NEON.
#define LANES 4
#define ISA_NAME "generic"
#define ISA fx_isa_generic
#include "isa.inc.h"
