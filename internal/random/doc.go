// Package random is fx's only source of randomness: Philox4x32-10, a
// counter-based generator. A value depends on its key and position alone, never
// on which worker drew it or what was drawn before, so results do not change
// with the number of workers and a resumed run needs no saved generator.
//
// Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
package random
